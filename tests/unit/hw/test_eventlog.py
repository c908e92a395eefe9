"""Event logs: the recorded ones replay to the TPM's own PCRs, altered ones do not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.errors import EvidenceError, HwError, StructureError
from hw.eventlog import MAX_EVENTS, read_event_log
from hw.eventlog_data import Coverage, coverage, data_text, describe
from hw.eventlog_replay import compare, replay
from tests.support.any_bytes import STEADY, mutations
from tests.support.boot_logs import (
    IPL,
    NO_ACTION,
    RECORDED,
    SEPARATOR,
    LogBuilder,
    alterations,
    altered,
    recorded_log,
    recorded_pcrs,
)

LOCALITY = b"StartupLocality\0"
by_log = pytest.mark.parametrize("name", RECORDED)
by_alteration = pytest.mark.parametrize(
    "case", alterations(), ids=lambda case: str(case["name"])
)


@by_log
def test_a_recorded_log_replays_to_the_tpms_own_pcrs(name: str) -> None:
    log = read_event_log(recorded_log(name))
    found = compare(log, "sha256", recorded_pcrs(name))
    found.require()
    assert found.first is None
    assert found.matched == tuple(replay(log, "sha256"))
    assert set(range(8)) | {9} <= set(found.matched)
    assert (found.unlogged, found.not_given) == ((10,), ())


@by_alteration
def test_an_altered_log_is_found_out(case: dict[str, Any]) -> None:
    if case["verdict"] == "malformed":
        with pytest.raises(StructureError):
            read_event_log(altered(case))
        return
    log = read_event_log(altered(case))
    found = compare(log, "sha256", recorded_pcrs(case["log"]))
    if case["verdict"] == "same":
        found.require()
        assert coverage(log.events[case["event"]], "sha256") is Coverage.NONE
        return
    assert found.first is not None
    assert found.first.pcr == case["pcr"]
    assert found.first.reached_after == case["after"]
    with pytest.raises(EvidenceError, match=f"does not replay: PCR {case['pcr']} "):
        found.require()


def test_the_first_differing_pcr_is_named_with_what_the_log_has_for_it() -> None:
    log = read_event_log(recorded_log("secure-boot"))
    pcrs = recorded_pcrs("secure-boot") | {8: bytes(32), 14: bytes(32)}
    found = compare(log, "sha256", pcrs)
    assert [one.pcr for one in found.differing] == [8, 14]
    text = str(found.first)
    assert text.startswith(f"PCR 8 (sha256) is {'00' * 32}, the log gives 23fc8e20")
    assert "the TPM has seen 0 of its 10 events" in text
    assert 'EV_IPL "kernel_cmdline: /vmlinuz console=ttyS0' in text


def test_a_log_that_speaks_of_no_given_pcr_proves_nothing() -> None:
    log = read_event_log(LogBuilder.agile().event(4, IPL, b"x").build())
    with pytest.raises(EvidenceError, match="none of the PCRs"):
        compare(log, "sha256", {0: bytes(32)}).require()
    assert compare(log, "sha256", {}).not_given == (4,)


def test_a_pcr_value_of_another_bank_is_refused() -> None:
    log = read_event_log(recorded_log("direct-boot"))
    with pytest.raises(StructureError, match="48 bytes, not 32"):
        compare(log, "sha256", {0: bytes(48)})


@pytest.mark.parametrize("bank", ["sha1", "sha384", "md5", "sm3_256"])
def test_a_bank_that_the_log_was_not_written_for_is_refused(bank: str) -> None:
    with pytest.raises(StructureError, match=bank):
        replay(read_event_log(recorded_log("direct-boot")), bank)


def test_a_log_of_sha1_alone_is_read_and_replayed() -> None:
    made = LogBuilder(None).event(0, 0x8, b"1.0\0").event(0, SEPARATOR, bytes(4))
    log = read_event_log(made.build())
    assert (log.banks, log.crypto_agile) == (("sha1",), False)
    assert replay(log, "sha1").keys() == {0}
    assert [coverage(one, "sha1") for one in log.events] == [Coverage.ALL] * 2


def test_a_first_event_that_was_measured_declares_no_banks() -> None:
    made = LogBuilder.agile().build()
    extended = made[:4] + (0x8).to_bytes(4, "little") + made[8:]
    assert read_event_log(made).crypto_agile
    log = read_event_log(extended)
    assert (log.crypto_agile, log.banks) == (False, ("sha1",))


def test_each_bank_is_replayed_from_its_own_digests() -> None:
    made = LogBuilder.agile(0x4, 0xB, 0xC).event(7, IPL, b"one").event(7, IPL, b"two")
    log = read_event_log(made.build())
    assert log.banks == ("sha1", "sha256", "sha384")
    assert [len(replay(log, bank)[7]) for bank in log.banks] == [20, 32, 48]


def test_the_startup_locality_is_where_pcr_0_starts_from() -> None:
    plain = LogBuilder.agile().event(0, SEPARATOR, bytes(4))
    hcrtm = LogBuilder.agile().event(0, NO_ACTION, LOCALITY + b"\4")
    hcrtm = hcrtm.event(0, SEPARATOR, bytes(4)).event(1, SEPARATOR, bytes(4))
    log = read_event_log(hcrtm.build())
    values = replay(log, "sha256")
    assert log.locality == 4
    assert values[0] != replay(read_event_log(plain.build()), "sha256")[0]
    assert values[1] == replay(read_event_log(plain.build()), "sha256")[0]


@pytest.mark.parametrize("tail", [b"\1", b"\5", b"", b"\3\0"])
def test_a_locality_that_no_tpm_starts_from_is_refused(tail: bytes) -> None:
    log = LogBuilder.agile().event(0, NO_ACTION, LOCALITY + tail)
    with pytest.raises(StructureError, match="locality"):
        read_event_log(log.build())


def test_more_events_than_any_boot_has_are_refused() -> None:
    one = LogBuilder(None).event(0, SEPARATOR, b"").build()
    with pytest.raises(StructureError, match="more than"):
        read_event_log(one * (MAX_EVENTS + 1))
    assert len(read_event_log(one * MAX_EVENTS).events) == MAX_EVENTS


def test_a_log_over_its_limit_is_refused_unread() -> None:
    with pytest.raises(StructureError, match="limit"):
        read_event_log(bytes(2 * 1024 * 1024 + 1))


def test_grub_and_variables_show_how_much_of_them_was_measured() -> None:
    events = read_event_log(recorded_log("secure-boot")).events
    found = {one.number: coverage(one, "sha256") for one in events if one.extends}
    assert found[4] is Coverage.ALL  # SecureBoot
    assert found[10] is Coverage.CONTENT  # BootOrder: the content alone
    assert found[43] is Coverage.CONTENT  # kernel_cmdline
    assert found[38] is Coverage.NONE  # the kernel: named, but measured itself


TEXTS = {
    0: '"Spec ID Event03"',
    2: "0xe0000 bytes at 0x820000",
    4: "SecureBoot = on",
    10: "BootOrder = Boot0001, Boot0000, Boot0002",
    15: "end of the firmware's part",
    23: "disk 6aa8742d-c2c4-6645-b924-4b58ab68219f:"
    ' "ESP" 42fe58b7-b310-1e46-9016-72a42483b03a',
    24: "PciRoot(0)/Pci(1,0)/HD(1,42fe58b7-b310-1e46-9016-72a42483b03a,0x800,0x2f000)/"
    r"\EFI\BOOT\BOOTX64.EFI, 1048504 bytes",
    27: r'SbatLevel = "sbat,1,2025021800\nshim,4\ngrub,5\n"',
    41: "from memory, 14186432 bytes",
    43: '"kernel_cmdline: /vmlinuz console=ttyS0 ima_policy=tcb ima_hash=sha256'
    ' panic=-1"',
}


@pytest.mark.parametrize("number", TEXTS)
def test_the_data_of_an_event_is_told_in_words(number: int) -> None:
    event = read_event_log(recorded_log("secure-boot")).events[number]
    assert data_text(event) == TEXTS[number]


def test_certificates_that_let_an_image_run_are_named() -> None:
    event = read_event_log(recorded_log("secure-boot")).events[29]
    assert "MokListRT = certificate CN=Debian Secure Boot CA" in describe(event)


def test_no_control_character_of_a_log_reaches_a_terminal() -> None:
    made = LogBuilder.agile().event(8, IPL, b"grub_cmd: \x1b[2Jlinux\r\n\xff\0")
    text = describe(read_event_log(made.build()).events[1])
    assert text == r'event 1 EV_IPL "grub_cmd: \x1b[2Jlinux\r\n\xff"'


@by_log
@STEADY
@given(data=st.data())
def test_nothing_but_our_errors_and_bounded_text_comes_out(
    name: str, data: st.DataObject
) -> None:
    try:
        log = read_event_log(data.draw(mutations(recorded_log(name))))
        found = compare(log, "sha256", recorded_pcrs(name))
    except HwError:
        return
    assert all(len(describe(one)) < 16384 for one in log.events)
    assert len(str(found)) < 1 << 20


@STEADY
@given(
    st.lists(
        st.tuples(st.integers(0, 23), st.integers(0, 0x13), st.binary(max_size=60)),
        max_size=20,
    )
)
def test_what_was_built_is_read_and_replays_to_itself(
    events: list[tuple[int, int, bytes]],
) -> None:
    made = LogBuilder.agile(0xB, 0xC)
    for pcr, kind, data in events:
        made = made.event(pcr, kind, data)
    log = read_event_log(made.build())
    shown = [(one.pcr, one.type, one.data) for one in log.events[1:]]
    assert shown == events
    for bank in log.banks:
        values = replay(log, bank)
        assert compare(log, bank, values).matched == tuple(values)
        for pcr in values:
            wrong = values | {pcr: b"\x5a" * len(values[pcr])}
            assert [one.pcr for one in compare(log, bank, wrong).differing] == [pcr]
