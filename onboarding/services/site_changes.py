"""What operators set for a whole site, and what follows from it."""

from enum import Enum, unique

from onboarding.services import to0
from onboarding.services.context import Context
from onboarding.services.site import encode_addresses
from onboarding.store.settings_rows import RVINFO, TO2_ADDRESSES
from ownership_vouchers.rendezvous import RendezvousInfo, To2Address


@unique
class Given(Enum):
    """Whether a value may be set that is there already."""

    ANY = "any"
    FIRST = "first"  # only if there is none
    AGAIN = "again"  # only if there is one


def set_rendezvous_info(
    context: Context, info: RendezvousInfo, actor: str, given: Given = Given.ANY
) -> None:
    """Set what vouchers get that are made from now on.

    Raises:
        Conflict, NotFound: There is one already, or none.
    """
    _put(context, RVINFO, info.raw, actor, given)


def set_to2_addresses(
    context: Context,
    addresses: tuple[To2Address, ...],
    actor: str,
    given: Given = Given.ANY,
) -> None:
    """Say where devices find this owner, and announce all that wait anew.

    Raises:
        Conflict, NotFound: As for ``set_rendezvous_info``.
    """
    _put(context, TO2_ADDRESSES, encode_addresses(addresses), actor, given)
    to0.plan_all(context.stores, context.now())


def _put(context: Context, name: str, value: bytes, actor: str, given: Given) -> None:
    settings, now = context.stores.settings, context.now()
    match given:
        case Given.ANY:
            settings.put(name, value, actor, now)
        case Given.FIRST:
            settings.put(name, value, actor, now, 0)
        case Given.AGAIN:
            settings.put(name, value, actor, now, settings.get(name).version)
