"""What operators set for a whole site: rendezvous info and TO2 addresses."""

from onboarding.services.errors import Problem
from onboarding.store.errors import NotFound
from onboarding.store.settings_rows import RVINFO, TO2_ADDRESSES, SettingStore
from ownership_vouchers import cbor
from ownership_vouchers.rendezvous import (
    RendezvousInfo,
    To2Address,
    to2_addresses_from_item,
)


def rendezvous_info(settings: SettingStore) -> RendezvousInfo:
    """Return the RendezvousInfo that new vouchers get.

    Raises:
        Problem: 409; none was set.
    """
    found = stored_rendezvous_info(settings)
    if found is None:
        raise Problem(
            409,
            "rvinfo-missing",
            "No rendezvous info was set.",
            remedy="PUT /api/v1/rvinfo",
        )
    return RendezvousInfo.from_cbor(found)


def stored_rendezvous_info(settings: SettingStore) -> bytes | None:
    """The RendezvousInfo item as it was set, not parsed; None when none was."""
    try:
        return settings.get(RVINFO).value
    except NotFound:
        return None


def to2_addresses(settings: SettingStore) -> tuple[To2Address, ...]:
    """Return where devices find this owner.

    Raises:
        Problem: 409; none was set.
    """
    try:
        stored = settings.get(TO2_ADDRESSES).value
    except NotFound as error:
        raise Problem(
            409,
            "to2-address-missing",
            "No TO2 address was set, so no rendezvous server can send devices here.",
            remedy="PUT /api/v1/to2-address",
        ) from error
    return to2_addresses_from_item(cbor.decode(stored))


def encode_addresses(addresses: tuple[To2Address, ...]) -> bytes:
    """As ``to2_addresses`` reads them."""
    return cbor.encode([address.to_item() for address in addresses])
