"""Doctor's checks of what a service keeps: keys, database, vouchers, EK roots."""

import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from onboarding.cli.finding import Finding, Health, attempt
from onboarding.services.context import open_database
from onboarding.services.device_ca import times_of
from onboarding.services.errors import ServicesError
from onboarding.services.key_store import Custody, KeyInfo, KeyKind, KeyStore
from onboarding.services.pkcs11_token import Token
from onboarding.services.settings import Role, Settings
from onboarding.services.tpm_custody import TpmCustody
from onboarding.store.database import Database
from onboarding.store.ek_trust import EkTrustStore
from onboarding.store.errors import ChainBroken, NotFound, StoreError
from onboarding.store.event_log import EventLog
from onboarding.store.made import MadeStore
from onboarding.store.owner_keys import KeyStanding, KeyState, OwnerKeyStore
from onboarding.store.vouchers import VoucherStore

PAGE = 200
SOON = 30 * 86400  # seconds
PKCS11 = "PKCS#11 token"
KEY_TPM = "TPM of keys"


def check_keys(settings: Settings) -> Iterator[Finding]:
    """Whether the keys that the role needs are there, and open."""
    wanted = {
        KeyKind.OWNER: settings.role.includes(Role.OWNER),
        KeyKind.MANUFACTURER: settings.role.includes(Role.MANUFACTURING),
        KeyKind.DEVICE_CA: settings.role.includes(Role.MANUFACTURING),
    }
    for kind, needed in wanted.items():
        if needed:
            yield attempt(f"{kind} key", partial(_key, settings, kind))
    if settings.role.includes(Role.MANUFACTURING):
        yield attempt("device CA dates", partial(_device_cas, settings))
    yield attempt(PKCS11, partial(_token, settings))
    yield attempt(KEY_TPM, partial(_key_tpm, settings))


def _device_cas(settings: Settings) -> Finding:
    """A device CA whose chain ran out makes no more devices."""
    name, store = "device CA dates", KeyStore(settings.key_directory, b"")
    ends = {
        info.name: times_of(store.chain(info.name))[1]
        for info in store.list(KeyKind.DEVICE_CA)
    }
    soon = [one for one, end in ends.items() if end < time.time() + SOON]
    if not soon:
        return Finding(name, Health.OK, "none runs out in the next 30 days")
    over = [one for one in soon if ends[one] < time.time()]
    return Finding(
        name,
        Health.BAD if over else Health.WARNING,
        f"{', '.join(soon)}: {'ran out' if over else 'runs out within 30 days'}",
        "Have it certified anew: `vouchgate keys request`, `vouchgate keys chain`.",
    )


def _key(settings: Settings, kind: KeyKind) -> Finding:
    name = f"{kind} key"
    found = KeyStore(settings.key_directory, b"").list(kind)
    if not found:
        return Finding(
            name,
            Health.BAD,
            f"none in {settings.key_directory}",
            f"Make one: vouchgate keys new --kind {kind}",
        )
    store = KeyStore.of(settings)
    for info in found:
        store.signer(info.name)
    return Finding(name, Health.OK, ", ".join(map(_told, found)))


def _told(info: KeyInfo) -> str:
    where = "" if info.custody is Custody.FILE else f" ({info.custody})"
    return f"{info.name}{where}"


def _token(settings: Settings) -> Finding:
    """What the token says of itself; whether its keys sign, the key checks tell."""
    token = Token.of(settings)
    if token is None:
        return Finding(PKCS11, Health.SKIPPED, "not configured")
    look = token.look()
    detail = f"{look.label}, serial {look.serial}, {look.made_by}"
    if look.worry is not None:
        mend = "Log in once with the token's own tool, and check the PIN file."
        return Finding(PKCS11, Health.WARNING, f"{detail}: {look.worry}", mend)
    return Finding(PKCS11, Health.OK, detail)


def _key_tpm(settings: Settings) -> Finding:
    """As ``_token``."""
    tpm = TpmCustody.of(settings)
    if tpm is None:
        return Finding(KEY_TPM, Health.SKIPPED, "not configured")
    maker = tpm.look()
    told = f"{maker.manufacturer} {maker.model}, firmware {maker.firmware}"
    return Finding(KEY_TPM, Health.OK, f"{settings.tpm_tcti}: {told}")


def check_database(settings: Settings) -> Iterator[Finding]:
    """Whether the database answers and is current, and what is in it."""
    url = settings.database_url
    if (
        url.startswith("sqlite:///")
        and not Path(url.removeprefix("sqlite:///")).exists()
    ):
        yield Finding(
            "database",
            Health.WARNING,
            f"{url} is not there yet",
            "The service makes it at its first start.",
        )
        return
    try:
        database = open_database(settings)
    except (StoreError, ServicesError) as error:
        mend = "Check VOUCHGATE_DATABASE_URL and VOUCHGATE_DATABASE_PASSWORD_FILE."
        yield Finding("database", Health.BAD, str(error), mend)
        return
    try:
        yield attempt("database", lambda: _current(settings, database))
        yield attempt("vouchers", lambda: _vouchers(settings, database))
        yield attempt("owner keys", lambda: _owner_keys(settings, database))
        if settings.role.includes(Role.MANUFACTURING):
            yield attempt("serial numbers", lambda: _serials(database))
        yield attempt("EK store", lambda: _ek_roots(settings, database))
        yield _audit_log(database)
    finally:
        database.close()


def _current(settings: Settings, database: Database) -> Finding:
    fault = database.fault(settings.min_free_mib)
    if fault:
        mend = "Free some, or give it a larger disk; PostgreSQL: ask the primary."
        return Finding("database", Health.BAD, fault, mend)
    if database.is_current():
        return Finding("database", Health.OK, "answers, and its tables are current")
    return Finding(
        "database",
        Health.WARNING,
        "its tables are of another version",
        "Back it up, then start the service: it brings them up to date.",
    )


def _vouchers(settings: Settings, database: Database) -> Finding:
    """Every voucher of a device that was not sold must name a key that is here.

    Of a device that was made here, it is its buyer's business.
    """
    ours = {i.fingerprint for i in KeyStore(settings.key_directory, b"").list()}
    store, made = VoucherStore(database), MadeStore(database)
    cursor, count, lost = None, 0, []
    while True:
        page = store.page(cursor, PAGE)
        for one in page.items:
            count += 1
            gone = one.key_fingerprint not in ours and not one.retired
            if gone and not _is_made(made, one.guid):
                lost.append(one.guid.hex())
        cursor = page.cursor
        if cursor is None:
            break
    if lost:
        return Finding(
            "vouchers",
            Health.BAD,
            f"{len(lost)} of {count} name an owner whose key is not here: {lost[0]}",
            "Restore that key file, or have them extended to a key of yours.",
        )
    return Finding("vouchers", Health.OK, f"{count}, each with its owner key here")


def _is_made(made: MadeStore, guid: bytes) -> bool:
    try:
        made.get(guid)
    except NotFound:
        return False
    return True


def _serials(database: Database) -> Finding:
    count = MadeStore(database).alarms()
    if not count:
        return Finding("serial numbers", Health.OK, "each stands for one device")
    return Finding(
        "serial numbers",
        Health.WARNING,
        f"{count} devices were made under one that stood for another",
        "See `vouchgate made list --alarms`, then `vouchgate made settle`.",
    )


def _owner_keys(settings: Settings, database: Database) -> Finding:
    """What was said of owner keys must not leave vouchers without one that signs."""
    store = OwnerKeyStore(database)
    owners = KeyStore(settings.key_directory, b"").list(KeyKind.OWNER)
    names = {info.fingerprint: info.name for info in owners}
    said = [one for one in store.all() if one.state is not KeyState.ACTIVE]
    found = [_owner_key(store, one, names) for one in said]
    blocked = {one.fingerprint for one in said if not one.state.usable}
    if names and not names.keys() - blocked:
        found.append((Health.BAD, "no key may sign: `vouchgate keys new` makes one"))
    health = max((one for one, _ in found), key=list(Health).index, default=Health.OK)
    mend = "" if health is Health.OK else "See `vouchgate keys owned` and the guide."
    told = "; ".join(words for _, words in found)
    return Finding("owner keys", health, told or "all active", mend)


def _owner_key(
    store: OwnerKeyStore, one: KeyStanding, names: Mapping[str, str]
) -> tuple[Health, str]:
    holdings = store.holdings(one.fingerprint).items()
    needed = sum(count for hold, count in holdings if hold.needed)
    name = names.get(one.fingerprint, one.fingerprint[:16])
    told = f"{name} is {one.state}, {needed} still hang on it"
    if one.state is KeyState.RETIRING and one.successor not in names:
        return Health.BAD, f"{told}, and its successor's file is not here"
    stuck = needed and not one.state.usable
    return Health.WARNING if stuck else Health.OK, told


def _ek_roots(settings: Settings, database: Database) -> Finding:
    state = EkTrustStore(database).state()
    if not state.roots and settings.role.includes(Role.OWNER):
        return Finding(
            "EK store",
            Health.WARNING,
            "no TPM vendor's root is trusted",
            "Import a bundle with vouchgate ek import, or trust a vendor's CA with"
            " vouchgate ek trust; until then only a passport vouches for a TPM.",
        )
    stale = [one.issuer for one in state.crls if one.next_update < time.time()]
    told = f"{len(state.roots)} certificates and {len(state.crls)} CRLs, version"
    told += f" {state.number}"
    if stale:
        gone = f"{told}; past their time: {', '.join(stale[:5])}"
        remedy = "Import those CAs' new CRLs with vouchgate ek crl."
        return Finding("EK store", Health.WARNING, gone, remedy)
    return Finding("EK store", Health.OK, told)


def _audit_log(database: Database) -> Finding:
    """Recompute the whole chain; tell its head, for keeping elsewhere."""
    name = "audit log"
    try:
        head = EventLog(database).verify_chain()
    except StoreError as error:
        mend = "Keep this database as evidence, and restore the last good backup."
        if not isinstance(error, ChainBroken):
            mend = "Check VOUCHGATE_DATABASE_URL, and that the server runs."
        return Finding(name, Health.BAD, str(error), mend)
    return Finding(name, Health.OK, f"{head.seq} events, head {head.digest.hex()}")
