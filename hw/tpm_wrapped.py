"""Keys that a TPM makes and uses, and that are kept outside it, wrapped by it.

So there may be any number, and nothing is written in the TPM. A key is a child of the
storage key at 0x81000001 where the platform has one, else of the primary that follows
from the owner hierarchy's seed. It has an authorisation value, shown by HMAC: the value
itself goes to the TPM once, encrypted, when the key is made.

Source: ASN.1 Specification for TPM 2.0 Key Files (what ``der`` is).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hw.errors import StructureError, TpmError
from hw.inventory import TpmMaker
from hw.keys import DevicePublicKey
from hw.signature import raw_pair
from hw.tpm_maker import tpm_maker
from hw.tpm_storage import (
    KEPT,
    NO_AUTH,
    OWNER_HIERARCHY,
    STORAGE_KEY,
    code_of,
    hmac_session,
    is_lost,
    require_kind,
    storage_key,
)
from hw.tss import (
    ESYS_TR,
    TPM2_ALG,
    TPM2_RC,
    TPM2B_PUBLIC,
    TPM2B_SENSITIVE_CREATE,
    TPMA_OBJECT,
    TPMA_SESSION,
    TPMS_SENSITIVE_CREATE,
    TPMT_PUBLIC,
    TPMT_RSA_DECRYPT,
    TPMT_SIG_SCHEME,
    Link,
    TSS2_Exception,
    TSSPrivKey,
)

T = TypeVar("T")
Scheme = Literal["ecdsa", "rsassa", "rsapss"]

_ALGORITHMS = {
    "P-256": "ecc256:null:null",
    "P-384": "ecc384:null:null",
    "RSA-2048": "rsa2048:null:null",
    "RSA-3072": "rsa3072:null:null",
}
_SCHEMES: dict[Scheme, int] = {
    "ecdsa": TPM2_ALG.ECDSA,
    "rsassa": TPM2_ALG.RSASSA,
    "rsapss": TPM2_ALG.RSAPSS,
}
_HASHES = {32: TPM2_ALG.SHA256, 48: TPM2_ALG.SHA384}
_SIGNING = KEPT | TPMA_OBJECT.SIGN_ENCRYPT


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key just made: ``der`` is of use in this TPM, to who knows its value, only."""

    der: bytes = field(repr=False)
    name: bytes  # 34 bytes, as the TPM gives it
    public_key: DevicePublicKey


class WrappingTpm:
    """One TPM and its wrapped keys. For one thread; see ``hw.turns``.

    Each method connects if need be. When the connection, or the key loaded over it, is
    gone, it is made anew, once. Methods raise TpmError.

    Args:
        auth: Gives the keys' authorisation value, 32 bytes at most.
    """

    def __init__(self, tcti: str, auth: Callable[[], bytes]) -> None:
        self._tcti = tcti
        self._auth = auth
        self._link: Link | None = None
        self._loaded: tuple[bytes, ESYS_TR] | None = None

    def close(self) -> None:
        """Release the connection, and with it the loaded key; it may be used again."""
        link, self._link, self._loaded = self._link, None, None
        if link is not None:
            link.close()

    def maker(self) -> TpmMaker:
        """Who made it: a question that any TPM answers."""
        return self._again(lambda: tpm_maker(self._open()))

    def create(self, kind: str, *, decrypts: bool) -> Wrapped:
        """Make a key of P-256, P-384, RSA-2048 or RSA-3072.

        Args:
            decrypts: It may decrypt, besides signing; an RSA key.
        """
        if kind not in _ALGORITHMS:
            raise TpmError(f"keys in a TPM are {', '.join(_ALGORITHMS)}, not {kind}")
        attributes = _SIGNING | (TPMA_OBJECT.DECRYPT if decrypts else 0)
        area = TPMT_PUBLIC.parse(
            _ALGORITHMS[kind], objectAttributes=attributes, nameAlg="sha256"
        )
        return self._again(lambda: self._create(kind, area))

    def sign(self, der: bytes, digest: bytes, scheme: Scheme) -> bytes:
        """Sign a digest by SHA-256 or SHA-384; ECDSA as ``r || s``."""
        how = TPMT_SIG_SCHEME(scheme=_SCHEMES[scheme])
        how.details.any.hashAlg = _HASHES[len(digest)]

        def do() -> bytes:
            with self._key(der) as (link, key), hmac_session(link) as session:
                with link.use("sign") as esys:
                    made = esys.sign(key, digest, how, session1=session).signature
            if scheme != "ecdsa":
                return bytes(getattr(made, scheme).sig)
            r, s = bytes(made.ecdsa.signatureR), bytes(made.ecdsa.signatureS)
            pair = int.from_bytes(r, "big"), int.from_bytes(s, "big")
            return raw_pair(*pair, len(digest))

        return self._again(do)

    def decrypt(self, der: bytes, ciphertext: bytes) -> bytes:
        """Open RSA-OAEP with SHA-256; the answer comes encrypted from the TPM.

        Raises:
            ValueError: It was not encrypted to this key.
        """
        how = TPMT_RSA_DECRYPT(scheme=TPM2_ALG.OAEP)
        how.details.oaep.hashAlg = TPM2_ALG.SHA256

        def do() -> bytes:
            with self._key(der) as (link, key):
                with hmac_session(link, TPMA_SESSION.ENCRYPT) as session:
                    with link.use("decrypt") as esys:
                        return bytes(
                            esys.rsa_decrypt(key, ciphertext, how, session1=session)
                        )

        try:
            return self._again(do)
        except TpmError as error:
            if self._misencrypted(code_of(error)):
                raise ValueError("not encrypted to this key") from error
            raise

    def _misencrypted(self, code: int | None) -> bool:
        """Whether RSA_Decrypt says so: libtpms before 0.10 says that it failed itself.

        A TPM that did fail gives out no random numbers either.
        """
        if code == TPM2_RC.FAILURE:
            with suppress(TpmError), self._open().use("see if it works") as esys:
                esys.get_random(1)
                return True
        return code in (TPM2_RC.VALUE, TPM2_RC.SIZE)

    def _create(self, kind: str, area: TPMT_PUBLIC) -> Wrapped:
        link = self._open()
        self._unload()
        require_kind(link, kind, area)
        parent = OWNER_HIERARCHY if link.handle(STORAGE_KEY) is None else STORAGE_KEY
        sensitive = TPM2B_SENSITIVE_CREATE(
            sensitive=TPMS_SENSITIVE_CREATE(userAuth=self._auth())
        )
        with storage_key(link, parent) as storage:
            with hmac_session(link, TPMA_SESSION.DECRYPT, salt=storage) as session:
                with link.use(f"create a {kind} key") as esys:
                    private, public, *_ = esys.create(
                        storage,
                        sensitive,
                        TPM2B_PUBLIC(publicArea=area),
                        session1=session,
                    )
        der = TSSPrivKey(private, public, empty_auth=False, parent=parent).to_der()
        key = load_pem_public_key(public.to_pem())
        return Wrapped(der, bytes(public.get_name()), key)  # type: ignore[arg-type]  # as asked for

    @contextmanager
    def _key(self, der: bytes) -> Iterator[tuple[Link, ESYS_TR]]:
        """The key, loaded. One stays so: a bare TPM has three places in all."""
        link = self._open()
        if self._loaded is None or self._loaded[0] != der:
            self._unload()
            self._loaded = der, self._load(link, der)
        yield link, self._loaded[1]

    def _load(self, link: Link, der: bytes) -> ESYS_TR:
        wrapped = _read(der)
        with storage_key(link, wrapped.parent) as storage:
            try:
                with link.use("load a key") as esys:
                    key = esys.load(storage, wrapped.private, wrapped.public)
                    esys.tr_set_auth(key, self._auth())
                    return key
            except TpmError as error:
                if code_of(error) == TPM2_RC.INTEGRITY:
                    raise TpmError(
                        "the key was made in another TPM, or this one was cleared since"
                    ) from error
                raise

    def _unload(self) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded is not None and self._link is not None:
            with self._link.use("unload a key") as esys:
                esys.flush_context(loaded[1])

    def _open(self) -> Link:
        if self._link is None:
            self._link = Link(self._tcti)
        return self._link

    def _again(self, do: Callable[[], T]) -> T:
        fresh = self._link is None
        try:
            return do()
        except TpmError as error:
            if code_of(error) in NO_AUTH:
                self._unload()  # so that the value is asked for anew
                raise TpmError("the TPM refuses the authorisation value") from error
            if not is_lost(error):
                raise
            self.close()
            if fresh:
                raise
        return do()


def _read(der: bytes) -> TSSPrivKey:
    try:
        return TSSPrivKey.from_der(der)
    except (ValueError, TypeError, TSS2_Exception) as error:
        raise StructureError("not a TPM 2.0 key file") from error
