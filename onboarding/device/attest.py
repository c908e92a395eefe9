"""Answering for what runs, over the evidence channel: a quote on the owner's nonce."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw.errors import LogUnavailableError
from hw.evidence import AkAlg
from hw.kernel_logs import KernelLogs
from onboarding.device.errors import DeviceError, Problem, Unreachable
from onboarding.device.owner_api import OwnerApi, text_field
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError

if TYPE_CHECKING:
    from hw.tpm import Tpm

PART = 1024 * 1024  # bytes of the IMA list in one request
ROUNDS = 4
AGAIN = frozenset({"ima-list-again", "boot-log-again"})
VERDICT_SECONDS = 300.0  # Keylime goes through a long list from its beginning
NONCE_SIZE = 32
_OWN_LOGS = KernelLogs()
MAX_PCRS = 24
MAX_LOGS = 8  # names of logs in one request
IMA, UEFI = "ima", "uefi"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the owner's verifier said.

    ``failures`` are sentences; ``lease_expires`` is seconds since 1970, UTC, None when
    the evidence did not pass.
    """

    said: str  # passed, failed, or not-checked: nothing was compared
    compared: tuple[str, ...]
    failures: tuple[str, ...]
    lease_expires: int | None

    @property
    def passed(self) -> bool:
        return self.said == "passed"

    def noted(self, name: str) -> str:
        """What ``compared`` notes under a name, such as ``boot-events``; "" if not."""
        marks = (one.partition(":") for one in self.compared)
        return next((note for mark, _, note in marks if mark == name), "")


@dataclass(frozen=True, slots=True)
class _Held:
    """How far the owner has the IMA list; ``pcr`` is what PCR 10 is there."""

    entries: int = 0
    size: int = 0
    pcr: bytes = b""


@dataclass(frozen=True, slots=True)
class _Asked:
    nonce: bytes
    ticket: str
    bank: str
    pcrs: tuple[int, ...]
    ima: _Held | None  # None: the list is not looked at
    uefi: bool
    uefi_held: bytes  # SHA-256 of the event log that the owner has
    optional: frozenset[str]  # logs that it takes where there are any


def attest(
    api: OwnerApi,
    tpm: "Tpm",
    ak_alg: AkAlg,
    logs: KernelLogs = _OWN_LOGS,
    image: bytes = b"",
) -> Verdict:
    """Quote what the owner asks for, hand it over and return the verdict.

    Of the logs, what the owner has not got yet goes along; of a long list most of it
    goes ahead. ``image`` is the SHA-256 of the OS image that runs, if this machine
    knows it.

    Raises:
        Problem: The owner takes no evidence from this device now, and says why.
        DeviceError: It asks for a log that this machine does not keep.
        TpmError: The TPM does not quote.
    """
    ak = tpm.attestation_key(ak_alg)
    for _ in range(ROUNDS):
        asked = _read(api.ask("attest/challenge", {}))
        quote = tpm.quote(ak, asked.nonce, asked.bank, asked.pcrs)
        fields: dict[str, object] = {
            "ticket": asked.ticket,
            "message": quote.message,
            "signature": quote.signature,
            "pcr_blob": quote.pcr_blob,
        }
        if image:
            fields["image"] = image
        try:
            listed = _ima_list(api, asked, logs)
            if listed is None:
                continue  # most of it went ahead: the quote is as old as that took
            fields |= listed | _event_log(asked, logs)
            return _verdict(api.ask("attest", fields, VERDICT_SECONDS))
        except LogUnavailableError as error:
            raise DeviceError(
                f"the owner asks for a log that is not to be had here ({error}): assign"
                " a policy without that log, or run the agent where it is"
            ) from error
        except Problem as problem:
            if problem.code not in AGAIN:
                raise
    raise DeviceError(
        f"the owner and this device did not agree on its logs in {ROUNDS} rounds:"
        " is another agent running here?"
    )


def _event_log(asked: _Asked, logs: KernelLogs) -> dict[str, object]:
    """The log of the boot; the name of it is enough where the owner has it."""
    if not asked.uefi and UEFI not in asked.optional:
        return {}
    try:
        log = logs.event_log()
    except LogUnavailableError:
        if asked.uefi:
            raise
        return {}
    digest = hashlib.sha256(log).digest()
    return {"uefi_digest": digest} if digest == asked.uefi_held else {"uefi_log": log}


def _ima_list(
    api: OwnerApi, asked: _Asked, logs: KernelLogs
) -> dict[str, object] | None:
    """The last lines of the list, read after the quote; None when more went ahead."""
    if asked.ima is None:
        return {}
    try:
        return _ima_lines(api, asked.ima, logs)
    except LogUnavailableError:
        if IMA in asked.optional:
            return {}
        raise


def _ima_lines(
    api: OwnerApi, held: _Held, logs: KernelLogs
) -> dict[str, object] | None:
    ahead = False
    for part in logs.ima_parts(held.entries, held.size, PART):
        after = held.pcr if part.first == held.entries else b""
        fields = {"ima_first": part.first, "ima_after": after, "ima_log": part.lines}
        if not part.more and not ahead:
            return fields
        if part.lines:
            held = _held(api.ask("attest/log", fields))
        ahead = True
    return None


def _read(answer: dict[object, object]) -> _Asked:
    try:
        pcrs = cbor.array(answer.get("pcrs"), limit=MAX_PCRS)
        optional = cbor.array(answer.get("optional_logs", []), limit=MAX_LOGS)
        wanted = cbor.boolean(answer.get("ima")) or IMA in optional
        return _Asked(
            cbor.bstr(answer.get("nonce"), NONCE_SIZE),
            text_field(answer, "ticket", 4096),
            text_field(answer, "bank", 16),
            tuple(cbor.uint(pcr, 5) for pcr in pcrs),
            _held(answer.get("ima_held")) if wanted else None,
            cbor.boolean(answer.get("uefi")),
            cbor.bstr(answer.get("uefi_held", b""), limit=64),
            frozenset(cbor.tstr(one, 16) for one in optional),
        )
    except MalformedError as error:
        raise Unreachable(f"the owner's request is unreadable: {error}") from error


def _held(item: object) -> _Held:
    fields = cbor.mapping(item)
    return _Held(
        cbor.uint(fields.get("entries"), 32),
        cbor.uint(fields.get("bytes"), 32),
        cbor.bstr(fields.get("pcr"), limit=64),
    )


def _verdict(answer: dict[object, object]) -> Verdict:
    try:
        failures = cbor.array(answer.get("failures"))
        lease = answer.get("lease_expires")
        return Verdict(
            text_field(answer, "verdict", 16),
            tuple(cbor.tstr(one) for one in cbor.array(answer.get("compared"))),
            tuple(_sentence(one) for one in failures),
            None if lease is None else cbor.uint(lease, 63),
        )
    except MalformedError as error:
        raise Unreachable(f"the owner's verdict is unreadable: {error}") from error


def _sentence(item: object) -> str:
    kind, message = (cbor.tstr(one, 4096) for one in cbor.array(item, 2))
    return f"{kind}: {message}" if message else kind
