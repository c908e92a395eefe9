"""Runtime policies learnt from lists, and judged by Keylime's own code in e2e tests."""

import json
from dataclasses import replace

import pytest

from attestation.errors import PolicyError
from attestation.ima_learn import learn_runtime, runtime_changes
from attestation.runtime_policy import MAX_RUNTIME_POLICY, read_runtime_policy
from hw.ima import Measurement, read_ascii
from tests.support.ima_lists import Measured

AGGREGATE = Measured(b"boot_aggregate")
APP = Measured(b"/usr/bin/app", digest=b"\1" * 32)
NEW_APP = replace(APP, digest=b"\2" * 32)
KEXEC = Measured(b"kexec-cmdline", "ima-buf", extra=b"root=/dev/vda1")


def entries(*measured: Measured, bank: str = "sha1") -> tuple[Measurement, ...]:
    return read_ascii(b"".join(one.line(bank) for one in measured))


def test_what_was_measured_is_allowed_and_nothing_else() -> None:
    body = learn_runtime(entries(AGGREGATE, APP, NEW_APP, KEXEC))
    document = json.loads(body)
    assert read_runtime_policy(body)
    assert document["digests"] == {
        "/usr/bin/app": ["01" * 32, "02" * 32],
        "boot_aggregate": [AGGREGATE.digest.hex()],
    }
    assert document["ima-buf"] == {"kexec-cmdline": [KEXEC.digest.hex()]}
    assert document["excludes"] == []
    assert document["ima"]["log_hash_alg"] == "sha1"


def test_the_same_list_gives_the_same_bytes_whatever_its_order() -> None:
    first = learn_runtime(entries(AGGREGATE, APP, NEW_APP))
    assert learn_runtime(entries(AGGREGATE, NEW_APP, APP, APP)) == first


def test_the_list_says_with_which_hash_it_is_written() -> None:
    body = learn_runtime(entries(AGGREGATE, bank="sha256"), learn_runtime(entries(APP)))
    assert json.loads(body)["ima"]["log_hash_alg"] == "sha256"


def test_choices_of_people_are_kept_and_what_they_leave_out_is_not_learnt() -> None:
    before = json.loads(learn_runtime(entries(AGGREGATE, APP)))
    before["excludes"] = ["/scratch/.*"]
    before["ima"]["ignored_keyrings"] = [".platform"]
    before["verification-keys"] = "kept"
    temporary = Measured(b"/scratch/made")
    body = learn_runtime(entries(AGGREGATE, temporary), json.dumps(before).encode())
    document = json.loads(body)
    assert list(document["digests"]) == ["boot_aggregate"]
    assert document["excludes"] == ["/scratch/.*"]
    assert document["ima"]["ignored_keyrings"] == [".platform"]
    assert document["verification-keys"] == "kept"


def test_in_an_update_what_was_allowed_stays_allowed() -> None:
    before = learn_runtime(entries(AGGREGATE, APP))
    after = json.loads(learn_runtime(entries(NEW_APP), before, update=True))
    assert after["digests"]["/usr/bin/app"] == ["01" * 32, "02" * 32]
    assert "boot_aggregate" in after["digests"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Measured(b"/log", spoilt=True), "changed while it was read"),
        (Measured(b"/x", "ima-ngv2", "verity:sha256"), "not ima-ngv2"),
        (Measured(b"/x", pcr=9), "in PCR 9"),
    ],
)
def test_an_entry_that_keylime_never_passes_is_named(
    entry: Measured, said: str
) -> None:
    with pytest.raises(PolicyError, match=said) as refused:
        learn_runtime(entries(AGGREGATE, entry))
    assert "IMA entry 1" in str(refused.value)


def test_nothing_makes_no_policy_and_too_much_makes_none() -> None:
    with pytest.raises(PolicyError, match="nothing"):
        learn_runtime(())
    long = Measured(b"/" + b"x" * 4000)
    (one,) = entries(long)
    many = [
        replace(one, name=f"{one.name}{n}") for n in range(MAX_RUNTIME_POLICY // 4000)
    ]
    with pytest.raises(PolicyError, match="over"):
        learn_runtime(many)


def test_a_change_is_told_file_by_file_the_old_digest_first() -> None:
    before = learn_runtime(entries(AGGREGATE, APP, KEXEC))
    after = learn_runtime(entries(AGGREGATE, NEW_APP))
    kexec = f"kexec-cmdline: {KEXEC.digest.hex()}"
    assert runtime_changes(before, after) == (
        f"- file /usr/bin/app: {'01' * 32}",
        f"+ file /usr/bin/app: {'02' * 32}",
        f"- ima-buf {kexec}",
        f"- keyrings {kexec}",
    )
    assert runtime_changes(after, after) == ()
    assert f"+ file boot_aggregate: {AGGREGATE.digest.hex()}" in runtime_changes(
        b"", after
    )
