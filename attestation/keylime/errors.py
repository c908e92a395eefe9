"""What can go wrong between Vouchgate and Keylime."""

from attestation.errors import AttestationError


class KeylimeError(AttestationError):
    """Keylime gave no answer, or one that cannot be read or was a refusal.

    The text names the call. It never stands for a verdict: a caller that catches
    it has learnt nothing about the device.
    """


class KeylimeStartError(KeylimeError):
    """The registrar or the verifier did not come up."""


class NotStored(KeylimeError):
    """Keylime does not keep what it was told to judge by, or keeps something else."""


class KeylimeUnavailable(KeylimeError):
    """The program could not be reached, or failed by itself: another one may answer."""
