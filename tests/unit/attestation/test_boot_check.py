"""Event logs against reference boots: recorded boots, and what must not pass."""

from dataclasses import replace

import pytest

from attestation.boot_check import BootCheck, check_boot
from attestation.boot_learn import learn_boot
from attestation.measured_boot import MeasuredBoot, ReferenceBoot, ReferenceEvent
from hw.eventlog import read_event_log
from hw.eventlog_replay import replay
from tests.support.boot_logs import (
    IPL,
    RECORDED,
    SEPARATOR,
    LogBuilder,
    recorded_log,
    recorded_pcrs,
)

BANK = "sha256"
ALL = (0, 1, 2, 3, 4, 5, 6, 7, 9)


def quoted(name: str) -> dict[int, str]:
    return {pcr: value.hex() for pcr, value in recorded_pcrs(name).items()}


def learnt(name: str, pcrs: tuple[int, ...] = ALL) -> MeasuredBoot:
    boot = learn_boot(name, BANK, recorded_log(name), quoted(name), pcrs)
    return MeasuredBoot((boot,))


def messages(found: BootCheck) -> str:
    return "\n".join(f"{one.type}: {one.message}" for one in found.failures)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_boot_passes_what_was_learnt_of_it(name: str) -> None:
    found = check_boot(learnt(name), BANK, recorded_log(name), quoted(name))
    assert found.failures == ()
    assert found.boot == name
    log = read_event_log(recorded_log(name))
    assert found.events == sum(len(log.of_pcr(pcr)) for pcr in ALL)


def test_another_boot_is_refused_with_its_first_event_named() -> None:
    policy = learnt("secure-boot", (7,))
    found = check_boot(policy, BANK, recorded_log("direct-boot"), quoted("direct-boot"))
    assert found.failures[0].type == "boot.event"
    assert (
        "PCR 7, event 4: firmware setting: SecureBoot = off is not in the policy;"
        " the policy has firmware setting: SecureBoot = on"
    ) in messages(found)


def test_either_of_two_boots_will_do_but_no_mixture_of_them() -> None:
    both = MeasuredBoot(
        tuple(one for name in RECORDED for one in learnt(name, (0, 7)).boots)
    )
    for name in RECORDED:
        assert check_boot(both, BANK, recorded_log(name), quoted(name)).boot == name
    crossed = MeasuredBoot(
        (
            ReferenceBoot(
                "crossed",
                {7: both.boots[0].pcrs[7], 4: learnt(RECORDED[1]).boots[0].pcrs[4]},
            ),
        )
    )
    for name in RECORDED:
        assert check_boot(crossed, BANK, recorded_log(name), quoted(name)).failures


def test_a_log_that_does_not_give_the_quoted_value_is_not_true() -> None:
    values = quoted("direct-boot") | {4: "00" * 32}
    found = check_boot(learnt("direct-boot"), BANK, recorded_log("direct-boot"), values)
    assert [one.type for one in found.failures] == ["boot.not-replayed"]
    assert "PCR 4" in messages(found)


@pytest.mark.parametrize(
    ("log", "values", "kind"),
    [
        (b"", {}, "boot.no-log"),
        (b"\xff" * 60, {}, "boot.unreadable"),
        (recorded_log("direct-boot")[:-1], {}, "boot.unreadable"),
    ],
)
def test_a_log_that_is_none_is_a_failure(
    log: bytes, values: dict[int, str], kind: str
) -> None:
    found = check_boot(learnt("direct-boot"), BANK, log, quoted("direct-boot") | values)
    assert [one.type for one in found.failures] == [kind]


def test_a_pcr_that_was_not_quoted_is_a_failure() -> None:
    values = quoted("direct-boot")
    del values[4]
    found = check_boot(learnt("direct-boot"), BANK, recorded_log("direct-boot"), values)
    assert [one.type for one in found.failures] == ["boot.not-quoted"]


def boot_of(log: bytes) -> dict[int, str]:
    return {pcr: one.hex() for pcr, one in replay(read_event_log(log), BANK).items()}


GRUB = LogBuilder.agile().event(
    8, IPL, b"kernel_cmdline: root=/dev/vda1 ro", b"root=/dev/vda1 ro"
)


def learn(log: bytes) -> MeasuredBoot:
    return MeasuredBoot((learn_boot("one", BANK, log, boot_of(log), (8,)),))


def test_another_kernel_command_line_is_named_beside_the_one_allowed() -> None:
    policy = learn(GRUB.build())
    other = (
        LogBuilder.agile()
        .event(8, IPL, b"kernel_cmdline: root=/dev/vda1 ro init=/bin/sh", b"other")
        .build()
    )
    found = check_boot(policy, BANK, other, boot_of(other))
    assert 'kernel command line: "root=/dev/vda1 ro init=/bin/sh"' in messages(found)
    assert 'the policy has kernel command line: "root=/dev/vda1 ro"' in messages(found)


def test_an_event_that_is_left_out_is_missed() -> None:
    policy = learn(GRUB.event(8, IPL, b"grub_cmd: boot", b"boot").build())
    shorter = GRUB.build()
    found = check_boot(policy, BANK, shorter, boot_of(shorter))
    assert [one.type for one in found.failures] == ["boot.absent"]
    assert 'boot loader command: "boot" of the policy was not measured' in messages(
        found
    )


def test_the_type_of_an_event_counts_as_its_digest_does() -> None:
    policy = learn(GRUB.event(8, IPL, bytes(4)).build())
    other = GRUB.event(8, SEPARATOR, bytes(4)).build()
    found = check_boot(policy, BANK, other, boot_of(other))
    assert [one.type for one in found.failures] == ["boot.event", "boot.absent"]


def test_words_beside_an_event_do_not_count() -> None:
    policy = learn(GRUB.build())
    boot = policy.boots[0]
    renamed = {
        pcr: tuple(replace(one, says="harmless") for one in events)
        for pcr, events in boot.pcrs.items()
    }
    again = MeasuredBoot((ReferenceBoot("renamed", renamed),))
    assert not check_boot(again, BANK, GRUB.build(), boot_of(GRUB.build())).failures


def test_a_claim_that_the_digest_does_not_bear_out_shows_the_digest() -> None:
    lie = LogBuilder.agile().event(
        8, IPL, b"kernel_cmdline: root=/dev/vda1 ro", b"something else"
    )
    found = check_boot(learn(GRUB.build()), BANK, lie.build(), boot_of(lie.build()))
    assert "(sha256 " in messages(found)


def test_a_pcr_of_which_the_log_says_nothing_is_named() -> None:
    policy = MeasuredBoot(
        (ReferenceBoot("one", {8: (ReferenceEvent("EV_IPL", "ab" * 32, "x"),)}),)
    )
    log = LogBuilder.agile().event(4, SEPARATOR, bytes(4)).build()
    found = check_boot(policy, BANK, log, {8: "cd" * 32})
    assert [one.type for one in found.failures] == ["boot.not-logged"]


def test_a_log_without_the_bank_of_the_policy_is_unreadable() -> None:
    log = LogBuilder(None).event(8, IPL, b"x").build()
    found = check_boot(learn(GRUB.build()), BANK, log, {8: "ab" * 32})
    assert [one.type for one in found.failures] == ["boot.unreadable"]


def test_many_differences_are_counted_not_listed() -> None:
    log = LogBuilder.agile()
    for number in range(40):
        log = log.event(8, IPL, b"grub_cmd: %d" % number)
    found = check_boot(learn(GRUB.build()), BANK, log.build(), boot_of(log.build()))
    assert len(found.failures) == 4
    assert "37 more differences from one" in messages(found)
