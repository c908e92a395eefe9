"""A TPM that keeps private keys: makes them, and signs with them.

A key's file has it as the TPM wrapped it, of no use in another TPM, nor without the
authorisation value that the settings' file has. All that is asked of the TPM is asked
in one thread and within a time, so one that hangs costs its callers no more than that.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import new as new_hash
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hw.errors import HwError, TpmError
from hw.inventory import TpmMaker
from hw.turns import Turns
from onboarding.services.errors import CustodyError, SettingsError
from onboarding.services.held_keys import HeldKey, tried
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.settings import Settings, read_secret
from ownership_vouchers.algorithms import VerifyKey

if TYPE_CHECKING:  # extra "tpm": who has no keys in a TPM installs without it
    from hw.tpm_wrapped import Scheme, WrappingTpm

T = TypeVar("T")
MIN_AUTH, MAX_AUTH = 16, 32  # bytes; a TPM takes no more than its keys' hash is long
_RSA: "dict[bool, Scheme]" = {False: "rsassa", True: "rsapss"}  # by whether with PSS
MAKE_SECONDS = 300.0  # chips take minutes to find the primes of an RSA key


class TpmCustody:
    """The TPM that the settings name: a ``held_keys.Holder``."""

    def __init__(self, tcti: str, auth_file: Path, seconds: float) -> None:
        self._tcti = tcti
        self._auth_file = auth_file
        self._seconds = seconds
        self._turns = Turns(f"TPM {tcti}")
        self._tpm: WrappingTpm | None = None

    @classmethod
    def of(cls, settings: Settings) -> "TpmCustody | None":
        """Return the TPM of the settings; None when they name none."""
        if settings.tpm_tcti is None or settings.tpm_auth_file is None:
            return None
        return _shared(settings.tpm_tcti, settings.tpm_auth_file, settings.tpm_seconds)

    def __repr__(self) -> str:
        return f"TpmCustody({self._tcti!r})"

    @contextmanager
    def new_key(
        self, name: str, algorithm: KeyAlgorithm, *, decrypts: bool
    ) -> Iterator[tuple[HeldKey, bytes]]:
        """See Holder; nothing stays in the TPM, whose keys have no names."""
        kind = algorithm.removesuffix("-PSS")
        made = self._run(
            lambda tpm: tpm.create(kind, decrypts=decrypts), seconds=MAKE_SECONDS
        )
        uri = f"tpm:name={made.name.hex()}"
        yield self.key(uri, made.der, made.public_key, algorithm), made.der

    def key(
        self, uri: str, kept: bytes, public: VerifyKey, algorithm: KeyAlgorithm
    ) -> HeldKey:
        """See Holder."""
        return tried(uri, public, algorithm, _Operations(self._run, kept))

    def check(self) -> None:
        """See Holder."""
        self.look()

    def look(self) -> TpmMaker:
        """Who made the TPM, as it says itself. Raises CustodyError."""
        return self._run(lambda tpm: tpm.maker())

    def _run(self, do: "Callable[[WrappingTpm], T]", seconds: float = 0) -> T:
        try:
            return self._turns.run(
                lambda: do(self._connected()), seconds or self._seconds
            )
        except HwError as error:
            raise CustodyError(f"TPM {self._tcti}: {error}") from error

    def _connected(self) -> "WrappingTpm":
        """In the one thread only."""
        if self._tpm is None:
            from hw.tpm_wrapped import WrappingTpm

            self._tpm = WrappingTpm(self._tcti, self._auth)
        return self._tpm

    def _auth(self) -> bytes:
        """Read at each key's load, and kept nowhere of ours."""
        try:
            auth = read_secret(self._auth_file)
        except SettingsError as error:
            raise TpmError(str(error)) from error
        if not MIN_AUTH <= len(auth) <= MAX_AUTH:
            raise TpmError(
                f"{self._auth_file} must hold {MIN_AUTH} to {MAX_AUTH} bytes in a line"
            )
        return auth


class _Operations:
    """What one key does; see ``held_keys.Operations``."""

    def __init__(
        self, run: "Callable[[Callable[[WrappingTpm], bytes]], bytes]", der: bytes
    ) -> None:
        self._run = run
        self._der = der

    def ecdsa(self, digest: bytes) -> bytes:
        return self._sign(digest, "ecdsa")

    def rsa_sign(self, data: bytes, hash_name: str, *, pss: bool) -> bytes:
        return self._sign(new_hash(hash_name, data).digest(), _RSA[pss])

    def oaep(self, ciphertext: bytes) -> bytes:
        return self._run(lambda tpm: tpm.decrypt(self._der, ciphertext))

    def _sign(self, digest: bytes, scheme: "Scheme") -> bytes:
        return self._run(lambda tpm: tpm.sign(self._der, digest, scheme))


@cache
def _shared(tcti: str, auth_file: Path, seconds: float) -> TpmCustody:
    """One for each TPM and process: two would be too many for one without a manager."""
    return TpmCustody(tcti, auth_file, seconds)
