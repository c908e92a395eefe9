"""Judging a device: binding, EK trust, Keylime, appraisal, release."""
