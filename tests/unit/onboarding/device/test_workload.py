"""The device's side of the gate, against an owner that says whatever a test wants."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.errors import DocumentFault, DocumentRefused
from attestation.manifest import Manifest, ManifestKind, sign_bundle
from attestation.ticket import Ticket, mint
from attestation.withdrawal import (
    RemovalOrder,
    open_removal_report,
    open_report,
    proves_removal,
    sign_order,
)
from hw.keys import new_soft_key
from onboarding.device.applier import DirectoryApplier
from onboarding.device.errors import DeviceError, Problem, Unreachable
from onboarding.device.owner_api import OwnerApi
from onboarding.device.standing import Standing
from onboarding.device.workload import Change, WorkloadGate
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.types import Guid
from tests.support.scripted_owner import ScriptedOwner

NOW = 1_800_000_000
GUID = Guid(bytes(range(16)))
UNIT = ("edge.container", b"[Container]\n")
MANIFEST = Manifest("edge", 1, ManifestKind.QUADLET, (UNIT, ("pod.yaml", b"kind: Pod")))
DEVICE = new_soft_key()
OWNER = SoftSigner(ec.generate_private_key(ec.SECP256R1()))
OWNER_BEFORE = SoftSigner(ec.generate_private_key(ec.SECP256R1()))
FORMER = Guid(bytes(16))
STRANGER = SoftSigner(ec.generate_private_key(ec.SECP256R1()))
TICKET = Ticket(GUID, MANIFEST.digest(), NOW, NOW + 300, "decision-1")
ORDER = RemovalOrder(GUID, MANIFEST.digest(), "PCR 8", NOW + 10, bytes(16))


@pytest.fixture
def owner() -> ScriptedOwner:
    bundle = sign_bundle(MANIFEST, OWNER)
    answer: dict[str, object] = {"ticket": mint(TICKET, OWNER), "bundle": bundle}
    return ScriptedOwner(DEVICE.public_key, GUID, answer)


@pytest.fixture
def gate(owner: ScriptedOwner, tmp_path: Path) -> WorkloadGate:
    api = OwnerApi(owner.client(), "http://owner.test", GUID, DEVICE)
    applier = DirectoryApplier(tmp_path / "workload")
    key = OWNER.public_key
    return WorkloadGate(api, DEVICE, key, applier, tmp_path, clock=lambda: NOW + 20)


def unit(gate: WorkloadGate) -> Path:
    return gate.directory / "workload" / "edge" / UNIT[0]


def test_what_the_owner_signed_is_applied_and_reported(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    outcome = gate.sync()
    assert (outcome.change, outcome.paths) == (Change.APPLIED, MANIFEST.paths)
    assert unit(gate).read_bytes() == UNIT[1]
    report = open_report(owner.reports[0], DEVICE.public_key, guid=GUID)
    assert (report.status, report.manifest_digest) == ("applied", MANIFEST.digest())


def test_a_release_that_stands_whole_is_not_fetched_again(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    gate.sync()
    owner.answer = {"unchanged": True, "manifest_digest": b""}
    assert gate.sync().change is Change.UNCHANGED
    assert owner.asked[1] == {"installed": bytes.fromhex(MANIFEST.digest())}


def test_a_release_that_was_touched_is_fetched_and_mended(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    gate.sync()
    unit(gate).write_bytes(b"altered")
    assert gate.sync().change is Change.APPLIED
    assert owner.asked[1] == {}
    assert unit(gate).read_bytes() == UNIT[1]


def test_an_application_whose_report_was_lost_is_reported_the_next_time(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    owner.fail_reports = True
    with pytest.raises(Problem):
        gate.sync()
    owner.fail_reports = False
    gate.sync()
    assert len(owner.reports) == 1


Change_ = Callable[[], dict[str, object]]
GOOD_BUNDLE = sign_bundle(MANIFEST, OWNER)
OTHER = replace(MANIFEST, version=2)
REFUSED: dict[str, tuple[DocumentFault, Change_]] = {
    "bundle signed by a stranger": (
        DocumentFault.BAD_SIGNATURE,
        lambda: {
            "ticket": mint(TICKET, OWNER),
            "bundle": sign_bundle(MANIFEST, STRANGER),
        },
    ),
    "one byte of the bundle altered": (
        DocumentFault.BAD_SIGNATURE,
        lambda: {
            "ticket": mint(TICKET, OWNER),
            "bundle": GOOD_BUNDLE[:-1] + bytes([GOOD_BUNDLE[-1] ^ 1]),
        },
    ),
    "ticket signed by a stranger": (
        DocumentFault.BAD_SIGNATURE,
        lambda: {"ticket": mint(TICKET, STRANGER), "bundle": GOOD_BUNDLE},
    ),
    "ticket for another manifest": (
        DocumentFault.WRONG_MANIFEST,
        lambda: {"ticket": mint(TICKET, OWNER), "bundle": sign_bundle(OTHER, OWNER)},
    ),
    "ticket for another device": (
        DocumentFault.WRONG_DEVICE,
        lambda: {
            "ticket": mint(replace(TICKET, guid=Guid(bytes(16))), OWNER),
            "bundle": GOOD_BUNDLE,
        },
    ),
    "ticket that expired": (
        DocumentFault.EXPIRED,
        lambda: {
            "ticket": mint(
                replace(TICKET, issued_at=NOW - 300, expires=NOW + 20), OWNER
            ),
            "bundle": GOOD_BUNDLE,
        },
    ),
    "a bundle in the ticket's place": (
        DocumentFault.WRONG_TYPE,
        lambda: {"ticket": GOOD_BUNDLE, "bundle": GOOD_BUNDLE},
    ),
    "order signed by a stranger": (
        DocumentFault.BAD_SIGNATURE,
        lambda: {"removal_order": sign_order(ORDER, STRANGER)},
    ),
    "order by the owner before, who knew it by another name": (
        DocumentFault.BAD_SIGNATURE,
        lambda: {
            "removal_order": sign_order(replace(ORDER, guid=FORMER), OWNER_BEFORE)
        },
    ),
    "release by the owner before, for this very name": (
        DocumentFault.BAD_SIGNATURE,
        lambda: {
            "ticket": mint(TICKET, OWNER_BEFORE),
            "bundle": sign_bundle(MANIFEST, OWNER_BEFORE),
        },
    ),
    "order for another device": (
        DocumentFault.WRONG_DEVICE,
        lambda: {
            "removal_order": sign_order(replace(ORDER, guid=Guid(bytes(16))), OWNER)
        },
    ),
}


@pytest.mark.parametrize(("fault", "made"), REFUSED.values(), ids=REFUSED.keys())
def test_nothing_is_applied_or_removed_on_a_word_that_does_not_hold(
    gate: WorkloadGate, owner: ScriptedOwner, fault: DocumentFault, made: Change_
) -> None:
    owner.answer = made()
    with pytest.raises(DocumentRefused) as refused:
        gate.sync()
    assert refused.value.code is fault
    assert not (gate.directory / "workload").exists()
    assert not owner.reports


def test_an_answer_without_its_parts_is_unreadable(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    owner.answer = {"ticket": mint(TICKET, OWNER)}
    with pytest.raises(Unreachable, match="bundle"):
        gate.sync()


def test_on_the_owners_order_the_workload_goes_and_its_removal_is_proven(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    gate.sync()
    owner.answer = {"removal_order": sign_order(ORDER, OWNER)}
    outcome = gate.sync()
    assert (outcome.change, outcome.reason) == (Change.REMOVED, "PCR 8")
    assert not unit(gate).exists()
    report = open_removal_report(owner.reports[-1], DEVICE.public_key, ORDER)
    assert proves_removal(report, MANIFEST.paths)


def test_an_order_obeyed_whose_report_was_lost_can_be_obeyed_again(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    gate.sync()
    owner.answer = {"removal_order": sign_order(ORDER, OWNER)}
    owner.fail_reports = True
    with pytest.raises(Problem):
        gate.sync()
    owner.fail_reports = False
    gate.sync()
    report = open_removal_report(owner.reports[-1], DEVICE.public_key, ORDER)
    assert proves_removal(report, MANIFEST.paths)


def test_an_order_older_than_the_present_release_is_refused(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    gate.sync()
    owner.answer = {
        "removal_order": sign_order(replace(ORDER, issued_at=NOW - 1), OWNER)
    }
    with pytest.raises(DocumentRefused) as refused:
        gate.sync()
    assert refused.value.code is DocumentFault.SUPERSEDED
    assert unit(gate).exists()


def test_an_order_for_what_was_never_here_is_answered_with_nothing_removed(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    owner.answer = {"removal_order": sign_order(ORDER, OWNER)}
    gate.sync()
    report = open_removal_report(owner.reports[-1], DEVICE.public_key, ORDER)
    assert (report.removed, report.remaining) == ((), ())


def test_an_order_that_names_another_workload_removes_what_stands(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    gate.sync()
    order = replace(ORDER, manifest_digest="ab" * 32)
    owner.answer = {"removal_order": sign_order(order, OWNER)}
    gate.sync()
    report = open_removal_report(owner.reports[-1], DEVICE.public_key, order)
    assert (report.removed, report.remaining) == (MANIFEST.paths, ())
    assert not unit(gate).exists()


def test_an_earlier_answer_does_not_bring_a_withdrawn_workload_back(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    earlier = dict(owner.answer)
    gate.sync()
    owner.answer = {"removal_order": sign_order(ORDER, OWNER)}
    gate.sync()
    owner.answer = earlier
    with pytest.raises(DocumentRefused) as refused:
        gate.sync()
    assert refused.value.code is DocumentFault.SUPERSEDED
    assert not unit(gate).exists()


def test_an_order_obeyed_before_anything_was_applied_is_remembered_too(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    earlier = dict(owner.answer)
    owner.answer = {"removal_order": sign_order(ORDER, OWNER)}
    gate.sync()
    owner.answer = earlier
    with pytest.raises(DocumentRefused) as refused:
        gate.sync()
    assert refused.value.code is DocumentFault.SUPERSEDED


def test_an_earlier_answer_does_not_bring_an_older_manifest_back(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    earlier = dict(owner.answer)
    ticket = replace(TICKET, manifest_digest=OTHER.digest(), issued_at=NOW + 5)
    owner.answer = {"ticket": mint(ticket, OWNER), "bundle": sign_bundle(OTHER, OWNER)}
    gate.sync()
    owner.answer = earlier
    with pytest.raises(DocumentRefused) as refused:
        gate.sync()
    assert refused.value.code is DocumentFault.SUPERSEDED


def test_the_word_of_an_owner_before_does_not_hold_against_the_present_one(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    before = Standing("old", 1, "ab" * 32, ("x",), NOW + 900, str(Guid(bytes(16))))
    before.save(gate.directory)
    assert gate.sync().change is Change.APPLIED


def test_a_release_after_a_withdrawal_is_applied(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    gate.sync()
    bundle = owner.answer["bundle"]
    owner.answer = {"removal_order": sign_order(ORDER, OWNER)}
    gate.sync()
    ticket = mint(replace(TICKET, issued_at=ORDER.issued_at + 1), OWNER)
    owner.answer = {"ticket": ticket, "bundle": bundle}
    assert gate.sync().change is Change.APPLIED
    assert unit(gate).exists()


def test_files_that_cannot_be_written_are_reported_as_failed(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    (gate.directory / "workload").write_bytes(b"in the way")
    with pytest.raises(DeviceError, match="cannot write"):
        gate.sync()
    report = open_report(owner.reports[0], DEVICE.public_key, guid=GUID)
    assert report.status == "failed"


def test_each_request_takes_a_challenge_of_its_own(
    gate: WorkloadGate, owner: ScriptedOwner
) -> None:
    gate.sync()
    assert len(set(owner.challenges)) == 2  # workload, report
