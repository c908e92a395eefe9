"""How much a device can show of itself: what its binding and its passport allow.

A board's profile is its maker's promise. It counts here only from the passport that the
binding was made by; whatever is less, unknown or not to be read ends in a lower level.
"""

import hashlib
import hmac
from dataclasses import dataclass

from attestation.binding import BindingClass
from attestation.ek_verdict import EkClass
from attestation.errors import DocumentRefused
from hw.profiles import Assurance, profiles
from onboarding.services.api.answers.devices import AssuranceOut
from onboarding.services.passports import StoredPassport
from onboarding.store.bindings import BindingRecord
from onboarding.store.devices import DeviceRecord
from ownership_vouchers.errors import VoucherError

_NOT_VOUCHED = (EkClass.NO_CERTIFICATE.value, EkClass.REFUSED.value)


@dataclass(frozen=True, slots=True)
class _Board:
    """The level of a bound device, the profile that says so, and why it is that."""

    level: Assurance
    cannot_show: list[str]
    profile: str | None
    because: str


def shown_assurance(
    device: DeviceRecord, binding: BindingRecord | None, passport: bytes | None
) -> AssuranceOut:
    """The level, what it shows and what it cannot, and why it is this one.

    ``weaker`` is true of every device of which the device key is not shown to be in a
    TPM. ``passport`` is a StoredPassport, encoded, as it is kept with the voucher.
    """
    if binding is None:
        return _without_tpm(owned=device.facts.owned_at is not None)
    board = _board(binding, passport)
    cannot, keys, because = [*board.cannot_show], "its keys", board.because
    less = weaker(binding.klass)
    if less:
        keys = "its attestation keys"
        cannot.append("that its device key is not copied")
        because = f"Weaker class: its device key is outside the TPM. {because}"
    if binding.ek_class in _NOT_VOUCHED:
        cannot.append("that this TPM is a genuine one: nobody vouches for its EK")
    return _shown(
        board.level, board.profile, less, because, board.level.shows_by(keys), cannot
    )


def weaker(klass: str | None) -> bool:
    """Whether a device of that binding, None for none, is of the weaker class."""
    return klass != BindingClass.TPM_BOUND


def _without_tpm(*, owned: bool) -> AssuranceOut:
    because = "Weaker class: it is not bound to a TPM"
    if not owned:
        nothing = ["anything, before it has proved itself in TO2"]
        return _shown(
            None, None, True, f"{because}, nor onboarded yet.", "nothing yet", nothing
        )
    level = Assurance.NO_TPM
    because += ", so its keys count as files that can be copied."
    return _shown(level, None, True, because, level.shows, [level.does_not_show])


def _board(binding: BindingRecord, stored: bytes | None) -> _Board:
    """What the passport of a binding promises; without one, that there is a TPM."""
    if binding.passport_digest is None:
        return _unmeasured("It was bound without a passport: nobody says its board.")
    name = _bound_profile(binding.passport_digest, stored)
    if name is None:
        return _unmeasured("The passport that it was bound by is not with its voucher.")
    board = {one.name: one for one in profiles()}.get(name)
    if board is None:
        return _unmeasured(f"Its passport names a board not known here: {name}.")
    level = board.assurance
    if level is Assurance.NO_TPM:
        return _unmeasured(f"Its passport names a board without a TPM: {name}.")
    because = f"Its passport names the board {name}."
    return _Board(level, board.cannot_show(level), name, because)


def _unmeasured(because: str) -> _Board:
    level = Assurance.UNMEASURED
    return _Board(level, [level.does_not_show], None, because)


def _bound_profile(digest: bytes, stored: bytes | None) -> str | None:
    """The profile of the passport with this SHA-256; None if it is not that one."""
    if stored is None:
        return None
    try:
        found = StoredPassport.decode(stored)
        same = hmac.compare_digest(hashlib.sha256(found.document).digest(), digest)
        return found.open().profile if same else None
    except (DocumentRefused, VoucherError):
        return None


def _shown(
    level: Assurance | None,
    profile: str | None,
    weaker: bool,
    because: str,
    shows: str,
    cannot_show: list[str],
) -> AssuranceOut:
    return {
        "level": None if level is None else level.value,
        "profile": profile,
        "weaker": weaker,
        "because": because,
        "shows": shows,
        "cannot_show": "; ".join(cannot_show),
    }
