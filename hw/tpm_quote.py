"""PCRs, and what the attestation key says of them and of other keys."""

from collections.abc import Iterable

from hw.algorithms import HashAlg
from hw.errors import TpmError
from hw.evidence import Attestation, AttestationKey, Quote
from hw.pcr_blob import build_pcr_blob
from hw.structures import Attest
from hw.tss import ESYS_TR, TPM2_ALG, TPML_PCR_SELECTION, TPMT_SIG_SCHEME, Link

MAX_QUALIFYING = 32  # bytes: the least any TPM takes with a SHA-256 key
_MAX_EVENT = 1024
_PER_READ = 8  # PCRs in one TPM2_PCR_Read
_ATTEMPTS = 3
_KEYS_OWN_SCHEME = TPMT_SIG_SCHEME(scheme=TPM2_ALG.NULL)


def read_pcrs(link: Link, bank: str, pcrs: Iterable[int]) -> dict[int, bytes]:
    """The values of some PCRs of one bank, ascending by number.

    Raises:
        TpmError: A PCR number is out of range, or the bank is not active.
    """
    left = _checked(pcrs)
    values: dict[int, bytes] = {}
    HashAlg.of_bank(bank)
    with link.use(f"read PCRs of bank {bank}") as esys:
        while left:
            asked, left = left[:_PER_READ], left[_PER_READ:]
            _, _, digests = esys.pcr_read(_selection(bank, asked))
            if len(digests) != len(asked):
                raise TpmError(f"the TPM has no active PCR bank {bank}")
            values |= {p: bytes(d) for p, d in zip(asked, digests, strict=True)}
    return values


def extend(link: Link, pcr: int, data: bytes) -> None:
    """Extend one PCR, in every active bank, with the digest of ``data`` in its hash."""
    (number,) = _checked([pcr])
    if len(data) > _MAX_EVENT:
        raise TpmError(f"an event of {len(data)} bytes, limit {_MAX_EVENT}")
    with link.use(f"extend PCR {number}") as esys:
        esys.pcr_event(ESYS_TR.PCR0 + number, data)


def quote(
    link: Link, ak: AttestationKey, qualifying: bytes, bank: str, pcrs: Iterable[int]
) -> Quote:
    """Sign the PCRs and give their values with it.

    Values are read after the quote; when something extends a PCR between the two, both
    are taken anew.
    """
    numbers = _checked(pcrs)
    hashing = HashAlg.of_bank(bank)
    with link.use("quote") as esys:
        key = link.require(ak.handle, "attestation key")
        for _ in range(_ATTEMPTS):
            made, signature = esys.quote(
                key, _selection(bank, numbers), _nonce(qualifying), _KEYS_OWN_SCHEME
            )
            message = bytes(made.attestationData)
            values = read_pcrs(link, bank, numbers)
            if _covers(message, values):
                blob = build_pcr_blob(hashing, values)
                return Quote(message, signature.marshal(), blob)
    raise TpmError("PCRs kept changing while they were quoted")


def _covers(message: bytes, values: dict[int, bytes]) -> bool:
    # Both of our attestation keys sign with SHA-256, whatever bank they quote.
    return Attest.from_bytes(message).pcr_digest == HashAlg.SHA256.digest(
        *values.values()
    )


def certify(
    link: Link, subject: int, ak: AttestationKey, qualifying: bytes
) -> Attestation:
    """Let the AK state that the key at persistent handle ``subject`` is in this TPM."""
    with link.use("certify") as esys:
        made, signature = esys.certify(
            link.require(subject, "key to certify"),
            link.require(ak.handle, "attestation key"),
            _nonce(qualifying),
            _KEYS_OWN_SCHEME,
        )
        return Attestation(bytes(made.attestationData), signature.marshal())


def _nonce(qualifying: bytes) -> bytes:
    if len(qualifying) > MAX_QUALIFYING:
        raise TpmError(f"nonce of {len(qualifying)} bytes, limit {MAX_QUALIFYING}")
    return qualifying


def _checked(pcrs: Iterable[int]) -> list[int]:
    numbers = sorted(set(pcrs))
    if not numbers or not 0 <= numbers[0] <= numbers[-1] < 24:
        raise TpmError(f"PCRs {numbers} are not some of 0 to 23")
    return numbers


def _selection(bank: str, pcrs: list[int]) -> TPML_PCR_SELECTION:
    return TPML_PCR_SELECTION.parse(f"{bank}:{','.join(map(str, pcrs))}")
