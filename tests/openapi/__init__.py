"""Schemathesis against our services: what the API does is what its document says."""
