"""What the parts of a service share: settings, stores, keys and the time."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import make_url

from onboarding.services.errors import KeyStoreError
from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.keyring import Keyring
from onboarding.services.meters import Meters
from onboarding.services.otlp import open_spans
from onboarding.services.owner_keys import OwnerKeys
from onboarding.services.settings import Role, Settings, read_secret
from onboarding.services.spans import Spans
from onboarding.services.stores import Stores
from onboarding.services.tracing import Tracer
from onboarding.store.database import Database
from onboarding.store.owner_keys import KeyState
from onboarding.store.server_keys import ServerKeys, load_key_file
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.keys import KeyType, PublicKey

SERVER_KEY_FILE = "server.secret"

_KINDS = {
    Role.MANUFACTURING: KeyKind.MANUFACTURER,
    Role.OWNER: KeyKind.OWNER,
}


@dataclass(frozen=True, slots=True)
class Context:
    """The parts that every role of a process works with."""

    settings: Settings
    database: Database = field(repr=False)
    stores: Stores = field(repr=False)
    server_keys: ServerKeys
    key_store: KeyStore
    keyrings: Mapping[KeyKind, Keyring]
    owner_keys: OwnerKeys
    tracer: Tracer = field(repr=False)
    clock: Callable[[], float] = time.time
    spans: Spans = field(default_factory=Spans, repr=False)
    meters: Meters = field(default_factory=Meters, repr=False)

    def now(self) -> int:
        """Whole seconds since 1970, UTC."""
        return int(self.clock())

    def signer(self, fingerprint: str) -> SoftSigner | None:
        """Return the private key of a public one, if it is ours and may be used."""
        if not self.owner_keys.usable(fingerprint):
            return None
        found = (ring.find(fingerprint) for ring in self.keyrings.values())
        return next((signer for signer in found if signer is not None), None)

    def signer_for(self, public: PublicKey) -> SoftSigner | None:
        """As ``signer``, for signatures of the kind that ``public`` stands for."""
        signer = self.signer(public.fingerprint())
        if signer is None:
            return None
        return signer.padded(pss=public.type is KeyType.RSAPSS)

    def speaker(self) -> SoftSigner:
        """The owner key that signs where any of ours will do: the first active one.

        Raises:
            KeyStoreError: None may be used.
        """
        ring, keys = self.keyrings[KeyKind.OWNER], self.owner_keys
        with suppress(KeyStoreError):
            return ring.first(lambda one: keys.standing(one).state is KeyState.ACTIVE)
        return ring.first(keys.usable)

    def key_mark(self) -> bytes:
        """Changes with the keys that are here, and with what they may be used for."""
        versions = [ring.version for ring in self.keyrings.values()]
        return self.owner_keys.mark + repr(versions).encode()

    def close(self) -> None:
        """Give back what the context holds open."""
        self.database.close()
        self.spans.close()


def open_database(settings: Settings) -> Database:
    """Open the database; its password joins the URL in memory only.

    Raises:
        SettingsError, StoreError: As ``open_context``.
    """
    path, runs = settings.database_password_file, settings.runs_url
    if path is None:
        return Database(settings.database_url, runs)
    password = read_secret(path).decode()

    def whole(url: str) -> str:
        return make_url(url).set(password=password).render_as_string(False)

    if runs is not None and runs.startswith("postgresql"):
        runs = whole(runs)
    return Database(whole(settings.database_url), runs)


def open_context(settings: Settings, clock: Callable[[], float] = time.time) -> Context:
    """Open keys and database; bring the schema up to date.

    Raises:
        SettingsError: A role's key is missing, or no passphrase is named.
        KeyStoreError: A key does not open.
        StoreError: The database cannot be used.
    """
    kinds = [kind for role, kind in _KINDS.items() if settings.role.includes(role)]
    spans = open_spans(settings)
    key_store = KeyStore.of(settings, closed=not kinds)
    keyrings = {kind: Keyring(key_store, kind) for kind in kinds}
    wrapping = load_key_file(settings.key_directory / SERVER_KEY_FILE)
    database = open_database(settings)
    database.migrate()
    stores = Stores.of(database)
    return Context(
        settings,
        database,
        stores,
        ServerKeys(database, wrapping),
        key_store,
        keyrings,
        OwnerKeys(stores.owner_keys),
        Tracer(stores.traces, enabled=settings.trace_runs > 0),
        clock,
        spans,
    )
