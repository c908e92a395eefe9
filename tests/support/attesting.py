"""A device with a TPM in front of its owner's evidence channel, and a real Keylime."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attestation.device_auth import Purpose
from attestation.keylime.stack import KeylimeStack
from attestation.policy import AttestationPolicy
from onboarding.device.errors import Problem
from onboarding.device.owner_api import OwnerApi
from onboarding.services import rows
from onboarding.services.device_api.attest import EvidenceChannel
from onboarding.services.device_api.requests import DeviceCall
from onboarding.services.errors import Problem as ServiceProblem
from onboarding.services.keylime_link import KeylimeLink
from onboarding.store.appraisals import Outcome
from ownership_vouchers import cbor
from tests.support.attester import Attester
from tests.support.databases import NewDatabase
from tests.support.owner_bench import NOW, OwnerBench, binding_of, owner_bench

if TYPE_CHECKING:
    from hw.tpm import Tpm

PCR = 8
BACK = {  # what a quote says less of than the last one, and what that is called
    "reset_count": "tpm-resets-went-back",
    "restart_count": "tpm-restarts-went-back",
    "clock": "tpm-clock-went-back",
    "firmware": "tpm-firmware-went-back",
}


@dataclass
class Attesting:
    """A device with a TPM in front of its owner's evidence channel."""

    bench: OwnerBench
    channel: EvidenceChannel
    attester: Attester
    link: KeylimeLink
    uefi_log: bytes = b""
    ima_log: bytes = b""  # from the first entry on

    def asked(self) -> dict[str, object]:
        return self.channel.challenge(self.bench.call(Purpose.ATTEST))

    def evidence(self, asked: dict[str, object]) -> dict[str, object]:
        nonce, pcrs = asked["nonce"], asked["pcrs"]
        assert isinstance(nonce, bytes)
        assert isinstance(pcrs, list)
        attester = self.attester
        quote = attester.tpm.quote(attester.ak, nonce, "sha256", pcrs)
        body: dict[str, object] = {
            "ticket": asked["ticket"],
            "message": quote.message,
            "signature": quote.signature,
            "pcr_blob": quote.pcr_blob,
        }
        optional = asked["optional_logs"]
        assert isinstance(optional, list)
        if asked["uefi"] or "uefi" in optional:
            body["uefi_log"] = self.uefi_log
        if asked["ima"] or "ima" in optional:
            body["ima_log"] = self.ima_log
        return body

    def call(self, body: dict[str, object]) -> DeviceCall:
        return self.bench.call(Purpose.ATTEST, body)

    def attest(self) -> dict[str, object]:
        """One whole round, a second after the last."""
        self.bench.clock.now += 1
        return self.channel.attest(self.call(self.evidence(self.asked())))


class Nearby(OwnerApi):
    """The owner's channel without the network between: what a device's agent asks."""

    def __init__(self, device: Attesting) -> None:
        self._device = device
        self._asked: list[tuple[str, dict[str, object]]] = []
        self.before_attest: Callable[[], None] | None = None  # once

    def sent(self, path: str) -> list[dict[str, object]]:
        """What was sent to a path, in order."""
        return [fields for asked, fields in self._asked if asked == path]

    def ask(
        self, path: str, fields: dict[str, object], seconds: float | None = None
    ) -> dict[object, object]:
        device = self._device
        self._asked.append((path, fields))
        if path == "attest/challenge":
            answer = device.asked()
        else:
            answer = self._answer(path, device.call(fields))
        return cbor.mapping(cbor.decode(cbor.encode(answer)))

    def _answer(self, path: str, call: DeviceCall) -> dict[str, object]:
        device = self._device
        if path == "attest":
            device.bench.clock.now += 1
            act, self.before_attest = self.before_attest, None
            if act is not None:
                act()
        try:
            if path == "attest/log":
                return device.channel.log(call)
            return device.channel.attest(call)
        except ServiceProblem as problem:
            document = {"code": problem.code, "detail": problem.detail}
            raise Problem(problem.status, document) from problem


def measured(tpm: "Tpm") -> Attester:
    """A TPM with a new key that has booted something: zeroes would prove nothing."""
    tpm.extend(PCR, b"what booted")
    return Attester(tpm, tpm.create_attestation_key("ecc"))


@contextmanager
def attesting_device(
    directory: Path,
    keylime_stack: KeylimeStack,
    attester: Attester,
    databases: NewDatabase | None = None,
    **more: Any,
) -> Iterator[Attesting]:
    """Bind the TPM by record, under a policy that pins what it holds now."""
    where = keylime_stack.client_settings()
    settings: dict[str, Any] = {
        "keylime_verifier_url": where.verifier_url,
        "keylime_registrar_url": where.registrar_url,
        "keylime_registrar_http_url": where.registrar_http_url,
        "keylime_ca": where.ca,
        "keylime_cert": where.cert,
        "keylime_key": where.key,
    }
    with owner_bench(directory, databases, **settings, **more) as bench:
        link = KeylimeLink.open(bench.context)
        assert link is not None
        record = replace(
            binding_of(bench.guid.raw),
            ak_public=attester.ak.public,
            ek_public=attester.tpm.endorsement_key().public,
        )
        bench.context.stores.bindings.put(record, "test")
        _hold_to(bench, attester.allow(PCR))
        channel = EvidenceChannel(bench.context, bench.gate, link)
        yield Attesting(bench, channel, attester, link)
        link.close()


def _hold_to(bench: OwnerBench, pcrs: object) -> None:
    """The newest version of a policy that pins what the TPM holds now."""
    policy = AttestationPolicy("golden", 1, dict(pcrs), lease_seconds=600)  # type: ignore[call-overload]
    hold_to(bench, policy)


def hold_to(bench: OwnerBench, policy: AttestationPolicy) -> None:
    """Store a policy, and assign it to the device."""
    stores = bench.context.stores
    stores.policies.add(rows.policy_record(policy, "test", NOW))
    stores.assignments.assign_policy(
        bench.guid.raw, policy.name, policy.version, "test", NOW
    )


def failures(answer: dict[str, object]) -> str:
    return repr(answer["failures"])


def put_ahead(bench: OwnerBench, **ahead: int) -> None:
    """Store an appraisal whose counters are further on than the TPM is."""
    appraisals = bench.context.stores.appraisals
    last = appraisals.latest(bench.guid.raw, Outcome.PASSED)
    bench.clock.now += 1
    further: dict[str, Any] = {
        name: getattr(last, name) + step for name, step in ahead.items()
    }
    later = replace(last, id="later", at=bench.context.now(), **further)
    appraisals.add(later, "test")
