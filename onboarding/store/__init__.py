"""Rows, and who may change them.

Every store takes a :class:`~onboarding.store.database.Database` and answers
with frozen records; rows and sessions stay inside. A change of a device's
state and the audit event that tells it are one transaction.
"""
