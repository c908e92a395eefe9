"""DI as the manufacturing service runs it: lines, keys, serial numbers, the commit."""

import hashlib
import secrets
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import partial

from onboarding.protocol.env import DiServerEnv
from onboarding.protocol.errors import MessageRefused
from onboarding.protocol.registry import DI
from onboarding.protocol.step import Effect, StoreVoucher
from onboarding.services import sale
from onboarding.services.context import Context
from onboarding.services.device_ca import DeviceCas
from onboarding.services.errors import Problem, SettingsError
from onboarding.services.fdo_front import Arrival
from onboarding.services.key_store import KeyKind
from onboarding.services.lines import Admitted, Line, Lines, document_of
from onboarding.services.protocol_role import ProtocolRole
from onboarding.services.settings import Settings, read_secret
from onboarding.services.site import rendezvous_info
from onboarding.services.voucher_records import record_of
from onboarding.store.errors import Conflict, NotFound
from onboarding.store.making import Making, SameSerial
from onboarding.store.voucher_rows import VoucherRecord
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.keys import KeyEncoding, KeyType, PublicKey, load_spki, spki
from ownership_vouchers.rendezvous import RendezvousInfo

ACTOR = "service:manufacturing"


class Factory:
    """What DI needs of one service, line by line."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ring = context.keyrings[KeyKind.MANUFACTURER]
        self._cas = DeviceCas(context.key_store)
        self._lines = Lines(context.stores.lines, context.settings.di_line)
        self._buyer = _buyer(context.settings)

    def role(self) -> ProtocolRole:
        """DI, ready to be stepped."""
        return ProtocolRole(
            DI,
            self._context.settings.run_seconds,
            self.env,
            self.commit,
            on_lines=True,
            repeatable=True,
            short_token=True,
        )

    def env(self, now: int, arrival: Arrival) -> DiServerEnv:
        """What one message may learn. Raises StationRefused."""
        admitted = self._lines.admit(arrival)
        line = admitted.line
        ca = line.document.device_ca
        return DiServerEnv(
            now,
            secrets.token_bytes,
            partial(self._rv_info, line),
            partial(self._maker, line),
            partial(self._cas.issue, now=now, name=ca),
            self._known_key,
            partial(self._admit, admitted),
            line.name,
            admitted.station,
            self._bare_cose_key,
        )

    def commit(self, effect: Effect, now: int, _run: bytes) -> None:
        """Store the voucher, or find that it is stored.

        Raises:
            MessageRefused: The serial number is taken, or the run is void.
            UnsupportedKeyError: The buyer's key is not of the voucher's type.
        """
        if not isinstance(effect, StoreVoucher):
            return
        record = record_of(effect.voucher, effect.serial, now)
        how = effect.making
        making = Making(
            how.line,
            how.station,
            _digest(effect.voucher.device_key),
            how.opened,
            None if how.proven else effect.serial,
            partial(self._same_serial, how.line),
        )
        longer = self._sold(record)
        try:
            self._context.stores.made.make(record, making, ACTOR)
        except Conflict as error:
            raise MessageRefused(str(error)) from error
        if longer is not None:
            self._hand_over(longer)

    def _sold(self, record: VoucherRecord) -> VoucherRecord | None:
        if self._buyer is None:
            return None
        return sale.sold(self._context, record, self._buyer)

    def _hand_over(self, longer: VoucherRecord) -> None:
        """Store it, unless an earlier copy of the message did: signatures differ."""
        with suppress(NotFound):  # the device was made anew since
            standing = self._context.stores.vouchers.get(longer.guid)
            if not standing.entry_digests:
                sale.keep(self._context, longer, ACTOR)

    def _rv_info(self, line: Line, device_info: str) -> RendezvousInfo:
        found = line.rv_info(device_info)
        return (
            rendezvous_info(self._context.stores.settings) if found is None else found
        )

    def _maker(
        self, line: Line, kind: KeyType, encoding: KeyEncoding, device: VerifyKey
    ) -> PublicKey | None:
        named = line.document.manufacturer_key
        return self._ring.of_type(kind, encoding, named, device)

    def _bare_cose_key(self, device_info: str) -> bool:
        patterns = self._context.settings.di_bare_cose_keys
        return any(fnmatchcase(device_info, one) for one in patterns)

    def _known_key(self, name: str) -> VerifyKey | None:
        found = self._context.stores.device_keys.find(name)
        return None if found is None else load_spki(found)

    def _admit(self, admitted: Admitted, serial: str, key: VerifyKey) -> None:
        """Refuse at once what the commit would refuse."""
        if admitted.line.document.same_serial is not SameSerial.REFUSE:
            return
        try:
            self._context.stores.made.refuse_taken(serial, _digest(key))
        except Conflict as error:
            raise MessageRefused(str(error)) from error

    def _same_serial(self, line: str) -> SameSerial:
        """What the line says now; one that is gone trusts nothing any more."""
        try:
            return document_of(self._context.stores.lines, line).same_serial
        except NotFound:
            return SameSerial.ALARM


def _digest(key: VerifyKey) -> bytes:
    return hashlib.sha256(spki(key)).digest()


def _buyer(settings: Settings) -> str | None:
    """Whom new vouchers are signed over to. Raises SettingsError."""
    path = settings.next_owner_file
    if path is None:
        return None
    pem = read_secret(path).decode("ascii", "replace")
    try:
        sale.read_public(pem)
    except (Problem, VoucherError) as error:
        raise SettingsError(f"{path}: {error}") from error
    return pem
