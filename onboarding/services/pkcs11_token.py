"""A PKCS#11 token that keeps private keys: makes them, and signs with them.

Keys are made to stay: CKA_SENSITIVE, not CKA_EXTRACTABLE.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from onboarding.services.errors import CustodyError
from onboarding.services.held_keys import HeldKey, tried
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.pkcs11_session import TokenLook, TokenSession
from onboarding.services.settings import Settings
from ownership_vouchers.algorithms import VerifyKey

if TYPE_CHECKING:
    from pkcs11.types import PrivateKey, Session

_CURVES: Mapping[KeyAlgorithm, tuple[str, ec.EllipticCurve]] = {
    KeyAlgorithm.P256: ("secp256r1", ec.SECP256R1()),
    KeyAlgorithm.P384: ("secp384r1", ec.SECP384R1()),
}


class Token:
    """The token that the settings name: a ``held_keys.Holder``."""

    def __init__(self, session: TokenSession) -> None:
        self._session = session

    @classmethod
    def of(cls, settings: Settings) -> Token | None:
        """Return the token of the settings; None when they name none."""
        module, label, pin = (
            settings.pkcs11_module,
            settings.pkcs11_token,
            settings.pkcs11_pin_file,
        )
        if module is None or label is None or pin is None:
            return None
        return cls(_session(module, label, pin))

    def __repr__(self) -> str:
        return f"Token({self._session.label!r})"

    def look(self) -> TokenLook:
        """Describe the token without logging in. Raises CustodyError."""
        return self._session.look()

    @contextmanager
    def new_key(
        self, name: str, algorithm: KeyAlgorithm, *, decrypts: bool
    ) -> Iterator[tuple[HeldKey, bytes]]:
        """See Holder; ``name`` becomes its CKA_LABEL, and the file keeps nothing."""
        identity = secrets.token_bytes(16)
        allowed = decrypts and algorithm not in _CURVES

        def make(session: Session) -> VerifyKey:
            _require_mechanism(session, algorithm)
            public = _generate(session, algorithm, identity, name, decrypts=allowed)
            return _public(public, algorithm)

        public = self._session.run(make)
        try:
            yield self.key(self._uri(identity), b"", public, algorithm), b""
        except BaseException:
            self._session.run(lambda session: _destroy(session, identity))
            raise

    def key(
        self, uri: str, kept: bytes, public: VerifyKey, algorithm: KeyAlgorithm
    ) -> HeldKey:
        """See Holder."""
        operations = _Operations(self._session, self._identity(uri))
        self._session.run(lambda session: _require_mechanism(session, algorithm))
        return tried(uri, public, algorithm, operations)

    def check(self) -> None:
        """See Holder."""
        self.look()

    def _uri(self, identity: bytes) -> str:
        look = self.look()
        where = (
            f"token={quote(look.label, safe='')};serial={quote(look.serial, safe='')}"
        )
        name = "".join(f"%{one:02X}" for one in identity)
        return f"pkcs11:{where};id={name};type=private"

    def _identity(self, uri: str) -> bytes:
        """The CKA_ID that a URI of ours names, if it is of this token."""
        scheme, _, path = uri.partition(":")
        parts = dict(part.split("=", 1) for part in path.split(";") if "=" in part)
        look = self.look()
        named = [unquote_to_bytes(parts.get(one, "")) for one in ("token", "serial")]
        if scheme != "pkcs11" or not parts.get("id"):
            raise CustodyError(f"{uri} names no key of a token")
        if named != [look.label.encode(), look.serial.encode()]:
            raise CustodyError(
                f"{uri} is not in token {look.label}, serial {look.serial}"
            )
        return unquote_to_bytes(parts["id"])


class _Operations:
    """What one key does; see ``held_keys.Operations``."""

    def __init__(self, session: TokenSession, identity: bytes) -> None:
        self._session = session
        self._identity = identity

    def ecdsa(self, digest: bytes) -> bytes:
        import pkcs11

        return self._run("sign", digest, pkcs11.Mechanism.ECDSA)

    def rsa_sign(self, data: bytes, hash_name: str, *, pss: bool) -> bytes:
        import pkcs11

        by, size = pkcs11.Mechanism, {"sha256": 32, "sha384": 48}[hash_name]
        name = hash_name.upper()
        if not pss:
            return self._run("sign", data, by[f"{name}_RSA_PKCS"])
        salted = (by[name], pkcs11.MGF[name], size)
        return self._run("sign", data, by[f"{name}_RSA_PKCS_PSS"], salted)

    def oaep(self, ciphertext: bytes) -> bytes:
        import pkcs11

        by = pkcs11.Mechanism
        how = (by.SHA256, pkcs11.MGF.SHA256, None)
        return self._run("decrypt", ciphertext, by.RSA_PKCS_OAEP, how)

    def _run(self, does: str, data: bytes, mechanism: Any, param: Any = None) -> bytes:
        import pkcs11

        def do(session: Session) -> bytes:
            key = self._session.private_key(session, self._identity)
            work = getattr(key, does, None)  # missing where CKA_SIGN, CKA_DECRYPT is
            if work is None:
                raise CustodyError(f"the key may not {does}")
            try:
                made = work(data, mechanism=mechanism, mechanism_param=param)
            except (pkcs11.EncryptedDataInvalid, pkcs11.EncryptedDataLenRange) as error:
                raise ValueError("not encrypted to this key") from error
            return bytes(made)

        return self._session.run(do)


def _require_mechanism(session: Session, algorithm: KeyAlgorithm) -> None:
    """Raises CustodyError: the token does not sign as such a key has to."""
    import pkcs11

    wanted = "ECDSA"
    if algorithm not in _CURVES:
        wanted = f"SHA{384 if algorithm.strong else 256}_RSA_PKCS"
        wanted += "_PSS" if algorithm.pss else ""
    if pkcs11.Mechanism[wanted] not in session.token.slot.get_mechanisms():
        raise CustodyError(
            f"token {session.token.label} has no CKM_{wanted}, so it cannot sign with"
            f" {algorithm} keys: choose another --algorithm, or keep it in a file"
        )


def _generate(
    session: Session,
    algorithm: KeyAlgorithm,
    identity: bytes,
    name: str,
    *,
    decrypts: bool,
) -> Any:
    """Make a pair in the token; return its public half."""
    import pkcs11
    from pkcs11 import Attribute
    from pkcs11.util.ec import encode_named_curve_parameters

    ours: dict[str, Any] = {
        "id": identity,
        "label": name,
        "store": True,
        "capabilities": pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
        "private_template": {
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.DECRYPT: decrypts,
        },
    }
    if algorithm in _CURVES:
        curve = encode_named_curve_parameters(_CURVES[algorithm][0])
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC, {Attribute.EC_PARAMS: curve}, local=True
        )
        made = parameters.generate_keypair(
            mechanism=pkcs11.Mechanism.EC_KEY_PAIR_GEN, **ours
        )
    else:
        bits = 3072 if algorithm.strong else 2048
        made = session.generate_keypair(pkcs11.KeyType.RSA, bits, **ours)
    _require_kept(made[1])
    return made[0]


def _require_kept(private: PrivateKey) -> None:
    from pkcs11 import Attribute

    if private[Attribute.EXTRACTABLE] or not private[Attribute.SENSITIVE]:
        raise CustodyError("the token made a key that could leave it")


def _public(public: Any, algorithm: KeyAlgorithm) -> VerifyKey:
    from pkcs11 import Attribute

    if algorithm in _CURVES:
        point = _octets(public[Attribute.EC_POINT])
        curve = _CURVES[algorithm][1]
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    numbers = (public[Attribute.PUBLIC_EXPONENT], public[Attribute.MODULUS])
    e, n = (int.from_bytes(one, "big") for one in numbers)
    return rsa.RSAPublicNumbers(e, n).public_key()


def _octets(point: bytes) -> bytes:
    """An EC point out of its DER OCTET STRING; some tokens leave that away."""
    return point[2:] if point[:1] == b"\x04" and point[1] == len(point) - 2 else point


def _destroy(session: Session, identity: bytes) -> None:
    from pkcs11 import Attribute

    for one in list(session.get_objects({Attribute.ID: identity})):
        one.destroy()


@cache
def _session(module: Path, label: str, pin_file: Path) -> TokenSession:
    """One for each token and process: login belongs to the process, too."""
    return TokenSession(module, label, pin_file)
