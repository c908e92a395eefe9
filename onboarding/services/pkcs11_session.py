"""One logged-in session with a PKCS#11 token, for all threads of a process.

The library below gives no locking flags to C_Initialize, so by the standard a module
may be called by one thread at a time: each call here holds the module's lock. A session
that broke is opened anew, once. A PIN that was refused is never given again by this
process, nor one where a single wrong try is left: tokens lock themselves.

Source: PKCS#11 2.40, sections 5.4 (C_Initialize) and 5.6 (sessions).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from onboarding.services.errors import CustodyError, SettingsError
from onboarding.services.settings import read_secret

if TYPE_CHECKING:  # extra "pkcs11": who has no token installs without it
    import pkcs11
    from pkcs11.types import PrivateKey, Session
    from pkcs11.types import Token as Slotted

T = TypeVar("T")
_MAX_PIN = 256  # bytes


class TokenSession:
    """A token found by its label, and the way into it. Nothing is opened until used.

    Args:
        module: The library of whoever made the token.
        label: The token's own.
        pin_file: One line; read at each login, and kept nowhere.
    """

    def __init__(self, module: Path, label: str, pin_file: Path) -> None:
        self.label = label
        self._module = module
        self._pin_file = pin_file
        self._session: Session | None = None
        self._keys: dict[bytes, PrivateKey] = {}
        self._refused: str | None = None

    def __repr__(self) -> str:
        return f"TokenSession({self.label!r})"

    def run(self, do: Callable[[Session], T]) -> T:
        """Do something with the open session, alone.

        Raises:
            CustodyError: It cannot be opened, or refused what was asked.
            ValueError: What was to be decrypted is not for the key.
        """
        loaded = _loaded(self._module)
        with loaded.lock:
            fresh = self._session is None
            try:
                return do(self._opened(loaded))
            except loaded.lost as error:
                self._drop()
                if fresh:
                    raise _failed(error, self.label) from error
            except loaded.error as error:
                raise _failed(error, self.label) from error
            try:
                return do(self._opened(loaded))
            except loaded.error as error:
                self._drop()
                raise _failed(error, self.label) from error

    def private_key(self, session: Session, identity: bytes) -> PrivateKey:
        """Find a private key by its CKA_ID; inside ``run`` only.

        Raises:
            CustodyError: There is none, or there are several.
        """
        import pkcs11

        if identity not in self._keys:
            kind, name = pkcs11.ObjectClass.PRIVATE_KEY, identity.hex()
            try:
                found = session.get_key(object_class=kind, id=identity)
            except pkcs11.NoSuchKey as error:
                raise CustodyError(
                    f"token {self.label} has no private key with id {name}"
                ) from error
            self._keys[identity] = found  # type: ignore[assignment]  # by its class
        return self._keys[identity]

    def look(self) -> TokenLook:
        """Describe the token, logging in nowhere. Raises CustodyError."""
        loaded = _loaded(self._module)
        with loaded.lock:
            try:
                token = self._found(loaded)
                flags = token.flags
            except loaded.error as error:
                raise _failed(error, self.label) from error
        return TokenLook(
            token.label,
            token.serial.decode(errors="replace").strip(),
            f"{token.manufacturer_id} {token.model}".strip(),
            loaded.worry(flags),
        )

    def _opened(self, loaded: _Loaded) -> Session:
        if self._session is None:
            token = self._found(loaded)
            self._session = self._login(loaded, token)
        return self._session

    def _found(self, loaded: _Loaded) -> Slotted:
        found = [one for one in loaded.lib.get_tokens() if one.label == self.label]
        if len(found) != 1:
            seen = "no token" if not found else f"{len(found)} tokens"
            raise CustodyError(f"{self._module.name} has {seen} labelled {self.label}")
        token: Slotted = found[0]
        return token

    def _login(self, loaded: _Loaded, token: Slotted) -> Session:
        if self._refused is not None:
            raise CustodyError(
                f"{self._refused}; it is not tried again until a restart"
            )
        worry = loaded.worry(token.flags)
        if worry is not None and loaded.near_lock(token.flags):
            raise CustodyError(f"token {self.label}: {worry}")
        try:
            return token.open(rw=True, user_pin=read_pin(self._pin_file))
        except loaded.already:
            return token.open(rw=True)
        except loaded.wrong_pin as error:
            self._refused = f"token {self.label} refused the PIN of {self._pin_file}"
            raise CustodyError(self._refused) from error

    def _drop(self) -> None:
        self._session = None
        self._keys.clear()


@dataclass(frozen=True, slots=True)
class TokenLook:
    """What a token says of itself; ``worry`` is what is wrong with its PIN."""

    label: str
    serial: str
    made_by: str
    worry: str | None


def read_pin(path: Path) -> str:
    """Read a PIN of one line. Raises CustodyError; the PIN is in no message."""
    try:
        pin = read_secret(path)
        if len(pin) > _MAX_PIN:
            raise CustodyError(f"{path} holds more than a PIN")
        return pin.decode()
    except SettingsError as error:
        raise CustodyError(str(error)) from error
    except UnicodeDecodeError:
        raise CustodyError(f"{path} holds no PIN in UTF-8") from None


class _Loaded:
    """A module in this process, its lock, and its errors by what they mean."""

    def __init__(self, path: Path) -> None:
        try:
            import pkcs11
        except ImportError as error:
            raise CustodyError(
                "PKCS#11 needs the extra: pip install 'vouchgate[pkcs11]'"
            ) from error
        self.lock = RLock()
        self.error: type[Exception] = pkcs11.PKCS11Error
        self.already: type[Exception] = pkcs11.UserAlreadyLoggedIn
        self.wrong_pin = (
            pkcs11.PinIncorrect,
            pkcs11.PinInvalid,
            pkcs11.PinLenRange,
            pkcs11.PinLocked,
            pkcs11.PinExpired,
        )
        self.lost = (
            pkcs11.SessionHandleInvalid,
            pkcs11.SessionClosed,
            pkcs11.DeviceError,
            pkcs11.DeviceRemoved,
            pkcs11.TokenNotPresent,
            pkcs11.UserNotLoggedIn,
            pkcs11.OperationActive,
            pkcs11.KeyHandleInvalid,
            pkcs11.ObjectHandleInvalid,
        )
        try:
            self.lib: Any = pkcs11.lib(str(path))
        except pkcs11.PKCS11Error as error:
            raise CustodyError(
                f"{path} is no PKCS#11 module: {_named(error)}"
            ) from error

    def near_lock(self, flags: pkcs11.TokenFlag) -> bool:
        import pkcs11

        final = pkcs11.TokenFlag.USER_PIN_FINAL_TRY | pkcs11.TokenFlag.USER_PIN_LOCKED
        return bool(flags & final)

    def worry(self, flags: pkcs11.TokenFlag) -> str | None:
        """What is wrong with the PIN, in words."""
        import pkcs11

        words = {
            pkcs11.TokenFlag.USER_PIN_LOCKED: "the PIN is locked",
            pkcs11.TokenFlag.USER_PIN_FINAL_TRY: "one more wrong PIN locks it: log in"
            " once with the token's own tool",
            pkcs11.TokenFlag.USER_PIN_COUNT_LOW: "a wrong PIN was given",
        }
        return next((said for flag, said in words.items() if flags & flag), None)


@cache
def _loaded(path: Path) -> _Loaded:
    return _Loaded(path)


def _named(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()


def _failed(error: Exception, label: str) -> CustodyError:
    return CustodyError(f"token {label}: {_named(error)}")
