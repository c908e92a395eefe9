"""Answering for what runs, over the evidence channel: a quote on the owner's nonce."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hw.evidence import AkAlg
from onboarding.device.errors import DeviceError, Unreachable
from onboarding.device.owner_api import OwnerApi, text_field
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

if TYPE_CHECKING:
    from hw.tpm import Tpm

IMA_LOG = Path("/sys/kernel/security/ima/ascii_runtime_measurements")
UEFI_LOG = Path("/sys/kernel/security/tpm0/binary_bios_measurements")
MAX_LOG = 3 * 1024 * 1024
NONCE_SIZE = 32
MAX_PCRS = 24


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the owner's verifier said.

    ``failures`` are sentences; ``lease_expires`` is seconds since 1970, UTC, None when
    the evidence did not pass.
    """

    passed: bool
    compared: tuple[str, ...]
    failures: tuple[str, ...]
    lease_expires: int | None


@dataclass(frozen=True, slots=True)
class _Asked:
    nonce: bytes
    ticket: str
    bank: str
    pcrs: tuple[int, ...]
    ima: bool
    uefi: bool


def attest(api: OwnerApi, tpm: "Tpm", ak_alg: AkAlg) -> Verdict:
    """Quote what the owner asks for, hand it over and return the verdict.

    Raises:
        Problem: The owner takes no evidence from this device now, and says why.
        DeviceError: It asks for a log that this machine does not keep.
        TpmError: The TPM does not quote.
    """
    asked = _read(api.ask("attest/challenge", {}))
    ak = tpm.attestation_key(ak_alg)
    quote = tpm.quote(ak, asked.nonce, asked.bank, asked.pcrs)
    fields: dict[str, object] = {
        "ticket": asked.ticket,
        "message": quote.message,
        "signature": quote.signature,
        "pcr_blob": quote.pcr_blob,
    }
    if asked.ima:
        fields["ima_log"] = _log(IMA_LOG).decode("utf-8", "surrogateescape")
    if asked.uefi:
        fields["uefi_log"] = _log(UEFI_LOG)
    return _verdict(api.ask("attest", fields))


def _read(answer: dict[object, object]) -> _Asked:
    try:
        pcrs = cbor.array(answer.get("pcrs"), limit=MAX_PCRS)
        return _Asked(
            cbor.bstr(answer.get("nonce"), NONCE_SIZE),
            text_field(answer, "ticket", 4096),
            text_field(answer, "bank", 16),
            tuple(cbor.uint(pcr, 5) for pcr in pcrs),
            cbor.boolean(answer.get("ima")),
            cbor.boolean(answer.get("uefi")),
        )
    except MalformedError as error:
        raise Unreachable(f"the owner's request is unreadable: {error}") from error


def _verdict(answer: dict[object, object]) -> Verdict:
    try:
        failures = cbor.array(answer.get("failures"))
        lease = answer.get("lease_expires")
        return Verdict(
            text_field(answer, "verdict", 16) == "passed",
            tuple(cbor.tstr(one) for one in cbor.array(answer.get("compared"))),
            tuple(_sentence(one) for one in failures),
            None if lease is None else cbor.uint(lease, 63),
        )
    except MalformedError as error:
        raise Unreachable(f"the owner's verdict is unreadable: {error}") from error


def _sentence(item: object) -> str:
    kind, message = (cbor.tstr(one, 4096) for one in cbor.array(item, 2))
    return f"{kind}: {message}" if message else kind


def _log(path: Path) -> bytes:
    """Read a measurement log as the kernel has it now."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LOG + 1)
    except OSError as error:
        raise DeviceError(
            f"the owner asks for {path}, which cannot be read ({error.strerror}):"
            " assign a policy without that log, or run the agent where it is"
        ) from error
    if len(data) > MAX_LOG:
        raise DeviceError(f"{path} is over {MAX_LOG} bytes")
    return data
