"""What operators set for a whole site, and what follows from it."""

from onboarding.services import to0
from onboarding.services.context import Context
from onboarding.services.site import encode_addresses
from onboarding.store.settings_rows import RVINFO, TO2_ADDRESSES, Setting
from ownership_vouchers.rendezvous import RendezvousInfo, To2Address


def set_rendezvous_info(
    context: Context, info: RendezvousInfo, actor: str, expected: int | None = None
) -> Setting:
    """Set what vouchers get that are made from now on.

    ``expected`` is as for ``SettingStore.put``.

    Raises:
        Conflict: Another version is there.
    """
    settings, now = context.stores.settings, context.now()
    return settings.put(RVINFO, info.raw, actor, now, expected)


def set_to2_addresses(
    context: Context,
    addresses: tuple[To2Address, ...],
    actor: str,
    expected: int | None = None,
) -> Setting:
    """Say where devices find this owner, and announce all that wait anew.

    Raises:
        Conflict: As for ``set_rendezvous_info``.
    """
    settings, now = context.stores.settings, context.now()
    encoded = encode_addresses(addresses)
    done = settings.put(TO2_ADDRESSES, encoded, actor, now, expected)
    to0.plan_all(context.stores, now)
    return done
