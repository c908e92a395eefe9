"""The evidence pack of a device with a real TPM, under the real Keylime's verdicts."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.errors import DocumentRefused
from attestation.evidence_pack import (
    EvidencePack,
    Quote,
    open_pack,
    sign_pack,
    unverified_pack,
)
from attestation.keylime.stack import KeylimeStack
from attestation.pack_checks import Outcome, PackChecker, owner_keys
from attestation.withdrawal import (
    DeviceReport,
    RemovalReport,
    WorkloadStatus,
    open_order,
    sign_removal_report,
    sign_report,
)
from onboarding.cli.app import run
from onboarding.services import audit, evidence_packs
from ownership_vouchers.algorithms import SoftSigner
from tests.support.attesting import PCR, Attesting, attesting_device, measured
from tests.support.databases import NewDatabase
from tests.support.owner_bench import FILES, OwnerBench
from tests.support.supply_chain import SupplyChain

if TYPE_CHECKING:
    from hw.tpm import Tpm

PATHS = tuple(path for path, _ in FILES)


@pytest.fixture
def attesting(
    tmp_path: Path, keylime_stack: KeylimeStack, tpm: "Tpm", databases: NewDatabase
) -> Iterator[Attesting]:
    with attesting_device(
        tmp_path, keylime_stack, measured(tpm), databases=databases
    ) as device:
        yield device


@pytest.fixture
def document(attesting: Attesting) -> bytes:
    """The pack of a device that was released, failed, and proved the removal."""
    bench = attesting.bench
    digest = bench.assign()
    assert attesting.attest()["verdict"] == "passed"
    bench.ask()
    at = bench.context.now()
    report = DeviceReport(bench.guid, digest, WorkloadStatus.APPLIED, PATHS, "", at)
    bench.report(sign_report(report, bench.device))
    attesting.attester.tpm.extend(PCR, b"something else")
    assert attesting.attest()["verdict"] == "failed"
    _remove(bench)
    audit.checkpoint(bench.context)
    return evidence_packs.make(bench.context, bench.guid.raw)


def _remove(bench: OwnerBench) -> None:
    said = bench.ask()["removal_order"]
    assert isinstance(said, bytes)
    order = open_order(said, bench.owner.public_key, guid=bench.guid)
    digest, nonce, at = order.manifest_digest, order.nonce, bench.context.now()
    report = RemovalReport(bench.guid, digest, nonce, PATHS, (), at)
    answer = bench.report(sign_removal_report(report, bench.device))
    assert answer["removal"] == "proven"


def broken(pack: EvidencePack) -> dict[str, str]:
    """Names and words of the checks that do not hold."""
    checks = PackChecker(pack, owner_keys(pack)).run()
    return {c.name: c.detail for c in checks if c.outcome is Outcome.BROKEN}


def _other_quote(pack: EvidencePack) -> tuple[bytes, ...]:
    """Each appraisal's quote with one bit of its signature turned."""
    kept = [Quote.decode(one) for one in pack.quotes]
    turned = [bytes([*one.signature[:-1], one.signature[-1] ^ 1]) for one in kept]
    return tuple(
        replace(one, signature=sig).encode()
        for one, sig in zip(kept, turned, strict=True)
    )


def _without_failures(text: str) -> str:
    return text.replace('"verdict":"failed"', '"verdict":"passed"')


Change = Callable[[EvidencePack], EvidencePack]
FORGERIES: dict[str, tuple[Change, str, str]] = {
    "another device's voucher": (
        lambda p: replace(
            p, vouchers=(*p.vouchers, SupplyChain().make_device().voucher.raw)
        ),
        "vouchers",
        "another key",
    ),
    "no voucher": (lambda p: replace(p, vouchers=()), "vouchers", "no voucher"),
    "a failure told as a pass": (
        lambda p: replace(p, appraisals=tuple(map(_without_failures, p.appraisals))),
        "appraisals",
        "passes only if",
    ),
    "another policy": (
        lambda p: replace(
            p, policies=tuple(one.replace("600", "601") for one in p.policies)
        ),
        "appraisals",
        "is not in the pack",
    ),
    "a decision turned round": (
        lambda p: replace(
            p,
            decisions=tuple(
                one.replace('"frozen": false', '"frozen": true').replace(
                    '"verdict": "passed"', '"verdict": "failed"'
                )
                for one in p.decisions
            ),
        ),
        "decisions",
        "",
    ),
    "no report": (lambda p: replace(p, reports=()), "removals", "no report proves"),
    "somebody's report": (
        lambda p: replace(p, reports=(*p.reports, b"\xd2\x84")),
        "reports",
        "not this device's",
    ),
    "an event rewritten": (
        lambda p: replace(
            p, events=(replace(p.events[0], actor="nobody"), *p.events[1:])
        ),
        "events",
        "was altered",
    ),
    "an event twice": (
        lambda p: replace(p, events=(p.events[0], *p.events)),
        "events",
        "stands after",
    ),
    "a checkpoint cut short": (
        lambda p: replace(p, checkpoint=p.checkpoint[:-1]),
        "checkpoint",
        "malformed",
    ),
}


def test_a_pack_proves_by_itself_what_happened(
    attesting: Attesting, document: bytes
) -> None:
    bench = attesting.bench
    pack = open_pack(document, bench.owner.public_key)
    found = {one.name: one for one in PackChecker(pack, owner_keys(pack)).run()}
    assert not broken(pack)
    absent = {name for name, one in found.items() if one.outcome is Outcome.ABSENT}
    # This device left no factory, and was taken over without TO2.
    assert absent == {"passport", "identity", "transcripts"}
    assert found["quotes"].detail == "2 by the bound attestation key"
    assert found["appraisals"].detail == "2, of which 1 passed"
    assert found["removals"].detail == "1 of 1 proven by the device"
    assert found["reports"].detail == "2 signed by the device"


def test_every_forgery_is_found_by_its_check(document: bytes) -> None:
    pack = unverified_pack(document)
    assert not broken(pack)
    for name, (change, check, words) in FORGERIES.items():
        said = broken(change(pack))
        assert check in said, name
        assert words in said[check], name


def test_a_quote_that_the_tpm_did_not_give_counts_for_nothing(document: bytes) -> None:
    pack = unverified_pack(document)
    forged = replace(pack, quotes=_other_quote(pack))
    found = {one.name: one for one in PackChecker(forged, owner_keys(pack)).run()}
    assert found["quotes"].outcome is Outcome.ABSENT


@pytest.mark.parametrize(
    ("klass", "outcome", "words"),
    [
        ("tpm-bound", Outcome.HOLDS, "tpm-bound, EK "),
        ("key-outside-tpm", Outcome.HOLDS, "key-outside-tpm, the weaker class, EK "),
        (None, Outcome.ABSENT, "the weaker class, for it was bound to no TPM"),
    ],
)
def test_a_device_of_the_weaker_class_is_marked_so(
    document: bytes, klass: str | None, outcome: Outcome, words: str
) -> None:
    pack = unverified_pack(document)
    assert pack.binding is not None
    binding = None if klass is None else replace(pack.binding, klass=klass)
    changed = replace(pack, binding=binding)
    found = {one.name: one for one in PackChecker(changed, owner_keys(pack)).run()}
    assert found["binding"].outcome is outcome
    assert words in found["binding"].detail


def test_a_pass_is_held_against_what_the_tpm_signed(document: bytes) -> None:
    """The policy is changed together with all that names it: the quote still tells."""
    pack = unverified_pack(document)
    failed, passed = pack.appraisals
    quote_of_failed = failed.partition('"evidence_digest":"')[2][:64]
    quote_of_passed = passed.partition('"evidence_digest":"')[2][:64]
    lie = passed.replace(quote_of_passed, quote_of_failed)
    said = broken(replace(pack, appraisals=(lie,)))
    assert "is not as its policy says" in said["quotes"]


def test_only_the_owner_signs_a_pack(document: bytes, attesting: Attesting) -> None:
    pack = unverified_pack(document)
    stranger = SoftSigner(SupplyChain().make_device().owner.signer.private_key)
    with pytest.raises(DocumentRefused, match="bad-signature"):
        open_pack(sign_pack(pack, stranger), attesting.bench.owner.public_key)


def test_a_byte_changed_anywhere_is_noticed(
    attesting: Attesting, document: bytes
) -> None:
    owner = attesting.bench.owner.public_key
    open_pack(document, owner)
    taken = []
    for at in {*range(32), *range(0, len(document), 61), *range(-80, 0)}:
        altered = bytearray(document)
        altered[at] ^= 1
        try:
            open_pack(bytes(altered), owner)
        except DocumentRefused:
            continue
        taken.append(at)
    assert taken == []


def test_a_pack_is_checked_by_command(
    attesting: Attesting,
    document: bytes,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, key = tmp_path / "pack.cose", tmp_path / "owner.pem"
    file.write_bytes(document)
    form = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    key.write_bytes(attesting.bench.owner.public_key.public_bytes(*form))
    assert run(["audit", "verify-pack", str(file), "--key", str(key)]) == 0
    told = capsys.readouterr().out
    assert "signed by a key you gave" in told
    assert "holds  removals    1 of 1 proven by the device" in told
    file.write_bytes(document[:-1] + bytes([document[-1] ^ 1]))
    assert run(["audit", "verify-pack", str(file)]) == 1
    assert "no key that may sign this document did" in capsys.readouterr().err
