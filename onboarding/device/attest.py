"""Answering for what runs, over the evidence channel: a quote on the owner's nonce."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw.errors import LogUnavailableError
from hw.evidence import AkAlg
from hw.kernel_logs import KernelLogs
from onboarding.device.errors import DeviceError, Unreachable
from onboarding.device.owner_api import OwnerApi, text_field
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

if TYPE_CHECKING:
    from hw.tpm import Tpm

MAX_LOG = 3 * 1024 * 1024  # bytes of the IMA list in one answer
NONCE_SIZE = 32
_OWN_LOGS = KernelLogs()
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

    def noted(self, name: str) -> str:
        """What ``compared`` notes under a name, such as ``boot-events``; "" if not."""
        marks = (one.partition(":") for one in self.compared)
        return next((note for mark, _, note in marks if mark == name), "")


@dataclass(frozen=True, slots=True)
class _Asked:
    nonce: bytes
    ticket: str
    bank: str
    pcrs: tuple[int, ...]
    ima: bool
    uefi: bool
    learn: bool  # what logs there are will do


def attest(
    api: OwnerApi, tpm: "Tpm", ak_alg: AkAlg, logs: KernelLogs = _OWN_LOGS
) -> Verdict:
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
    fields |= _logs(asked, logs)
    return _verdict(api.ask("attest", fields))


def _logs(asked: _Asked, logs: KernelLogs) -> dict[str, object]:
    """The logs that the owner asks for, read after the quote."""
    fields: dict[str, object] = {}
    if asked.learn and not asked.uefi:
        with suppress(LogUnavailableError):
            fields["uefi_log"] = logs.event_log()
    try:
        if asked.ima:
            fields["ima_log"] = _ima_list(logs)
        if asked.uefi:
            fields["uefi_log"] = logs.event_log()
    except LogUnavailableError as error:
        raise DeviceError(
            f"the owner asks for a log that is not to be had here ({error}): assign a"
            " policy without that log, or run the agent where it is"
        ) from error
    return fields


def _ima_list(logs: KernelLogs) -> str:
    part = logs.ima_list(limit=MAX_LOG)
    if part.more:
        raise DeviceError(f"the IMA list is over {MAX_LOG} bytes")
    try:
        return part.lines.decode()
    except UnicodeDecodeError as error:
        raise DeviceError("the IMA list names a file not in UTF-8") from error


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
            cbor.boolean(answer.get("learn", False)),
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
