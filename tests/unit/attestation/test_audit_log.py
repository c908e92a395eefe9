"""Checkpoints of the audit log; what all documents refuse is in test_documents."""

from attestation.audit_log import open_checkpoint, sign_checkpoint
from tests.support.documents import CHECKPOINT, KEY, SIGNER, STRANGER


def test_a_checkpoint_by_any_of_the_keepers_keys_counts() -> None:
    data = sign_checkpoint(CHECKPOINT, SIGNER)
    assert open_checkpoint(data, [STRANGER.public_key, KEY]) == CHECKPOINT
