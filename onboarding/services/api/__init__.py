"""The management API, ``/api/v1``: for people and programs of an operator."""
