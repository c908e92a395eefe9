"""What a store refuses, and what it cannot do just now.

A store never answers a failure with ``None`` or ``False``: those two are facts
("there is no such row", "another won"), and a failure is one of these errors.
"""


class StoreError(Exception):
    """The root of every error that a store raises."""


class StoreUnavailable(StoreError):
    """The database did not answer, or answered with a fault of its own."""


class DatabaseUnfit(StoreUnavailable):
    """A database that is there, but that nothing of ours can be kept in."""


class InvalidRecord(StoreError):
    """A record that contradicts itself was handed in; nothing was stored."""


class InvalidCursor(StoreError):
    """A page was asked for with a cursor that we did not give out."""


class NotFound(StoreError):
    """The row that was named does not exist."""


class Conflict(StoreError):
    """A different row already stands under that name, or changed meanwhile."""


class EkInUse(Conflict):
    """The TPM is bound to other live devices already: one TPM, one device."""

    def __init__(self, guids: tuple[bytes, ...]) -> None:
        super().__init__("the TPM is bound to another live device already")
        self.guids = guids


class DuplicateVoucher(Conflict):
    """Another voucher holds that GUID, or what is stored is newer."""


class OlderVoucher(DuplicateVoucher):
    """All of it is here, and more: a longer chain, or the device's next voucher."""


class SerialTaken(Conflict):
    """Another device of that serial number was made, and the line takes no second."""


class RegistrationRefused(Conflict):
    """A live registration that does not give way holds that GUID."""


class QuotaReached(RegistrationRefused):
    """The owner's key holds as many registrations as it may."""


class TokenRefused(StoreError):
    """A token is not ours, was altered, is for another use, or ran out."""


class ApiKeyRefused(StoreError):
    """An API key is unknown, wrong, expired or revoked; which is not told."""


class ChainBroken(StoreError):
    """The audit log was altered; says at which event."""
