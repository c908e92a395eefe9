"""What the push agent is given: a way to the verifier, and a key in a TPM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hw.evidence import Attestation, AttestationKey, Quote

if TYPE_CHECKING:
    from hw.tpm import Tpm  # needs the TPM library, which owners do not install


class Reply(Protocol):
    """What a transport returns; an httpx.Response is one."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


class Transport(Protocol):
    """Carries one call to the verifier and brings its reply."""

    def __call__(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, object],
    ) -> Reply: ...


class AttestationPort(Protocol):
    """An RSA attestation key in a TPM."""

    @property
    def public(self) -> bytes:
        """TPM2B_PUBLIC."""

    @property
    def name(self) -> bytes: ...

    def certify(self, nonce: bytes) -> Attestation:
        """Have the key certify itself over ``nonce``."""

    def quote(self, nonce: bytes, bank: str, pcrs: tuple[int, ...]) -> Quote: ...


@dataclass(frozen=True, slots=True)
class TpmPort:
    """The port of a key in ``hw.tpm``."""

    tpm: "Tpm"
    ak: AttestationKey  # made by ``create_attestation_key("rsa")``

    @property
    def public(self) -> bytes:
        return self.ak.public

    @property
    def name(self) -> bytes:
        return self.ak.name

    def certify(self, nonce: bytes) -> Attestation:
        return self.tpm.certify(self.ak, self.ak, nonce)

    def quote(self, nonce: bytes, bank: str, pcrs: tuple[int, ...]) -> Quote:
        return self.tpm.quote(self.ak, nonce, bank, pcrs)
