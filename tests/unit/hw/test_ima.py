"""IMA lists: read as the kernel writes them, replayed in parts, spoilt ones refused."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.errors import EvidenceError, HwError, StructureError
from hw.ima import MAX_LINE, Measurement, read_ascii, read_binary
from hw.ima_replay import Extends, ImaState, advance, match, replay
from tests.support.any_bytes import STEADY, mutations
from tests.support.ima_lists import ENTRIES, Measured, extended

LINES = b"".join(one.line() for one in ENTRIES)
BINARY = b"".join(one.binary() for one in ENTRIES)
BANKS = ("sha1", "sha256", "sha384")


def test_text_and_binary_say_the_same() -> None:
    from_text = read_ascii(LINES)
    assert from_text == read_binary(BINARY)
    assert [one.data for one in from_text] == [one.data for one in ENTRIES]
    assert [one.number for one in from_text if one.violation] == [4]
    assert from_text[2].extra == ENTRIES[2].extra
    assert from_text[7].algorithm == "verity:sha256"
    assert from_text[6].pcr == 9


def test_lists_with_template_hashes_of_another_bank_are_read() -> None:
    text = b"".join(one.line("sha256") for one in ENTRIES)
    binary = b"".join(one.binary("sha256") for one in ENTRIES)
    assert read_ascii(text) == read_binary(binary, hash_size=32)


@pytest.mark.parametrize("bank", BANKS)
@pytest.mark.parametrize("padded", [False, True])
def test_a_list_replays_to_the_pcr_as_new_and_old_kernels_extend_it(
    bank: str, padded: bool
) -> None:
    entries = read_ascii(LINES)
    actual = extended(ENTRIES, bank, padded=padded)
    found = match(ImaState.at_boot(bank), entries, actual)
    assert found.state.count == len(entries)
    assert found.state.value == actual
    way: Extends = "padded" if padded else "hashed"
    assert found.state.extends == (None if bank == "sha1" else way)
    assert replay(ImaState.at_boot(bank), entries, way) == actual
    assert [one.number for one in found.violations] == [4]


def test_entries_after_the_quote_are_left_for_the_next_part() -> None:
    entries = read_ascii(LINES)
    first = match(ImaState.at_boot("sha256"), entries, extended(ENTRIES[:3], "sha256"))
    assert (first.state.count, len(first.covered)) == (3, 3)
    rest = read_ascii(b"".join(one.line() for one in ENTRIES[3:]), first=3)
    second = match(first.state, rest, extended(ENTRIES, "sha256"))
    assert second.state.count == len(ENTRIES)


def test_a_part_without_entries_holds_when_nothing_was_measured() -> None:
    state = ImaState.at_boot("sha256")
    assert match(state, (), bytes(32)).state == state
    with pytest.raises(EvidenceError, match="after none of its entries 0 to 0"):
        match(state, (), b"\1" * 32)


def test_a_part_that_does_not_follow_is_refused() -> None:
    entries = read_ascii(LINES, first=1)
    with pytest.raises(EvidenceError, match="entry 1 where 0 should be"):
        match(ImaState.at_boot("sha256"), entries, bytes(32))


def test_a_list_may_not_change_the_way_it_is_extended() -> None:
    first = match(
        ImaState.at_boot("sha256"), read_ascii(LINES), extended(ENTRIES, "sha256")
    )
    more = Measured(b"/more")
    line = read_ascii(more.line(), first=first.state.count)
    padded = replay(first.state, line, "padded")
    with pytest.raises(EvidenceError):
        match(first.state, line, padded)


def changed(number: int, **fields: Any) -> tuple[Measured, ...]:
    one = replace(ENTRIES[number], **fields)
    return (*ENTRIES[:number], one, *ENTRIES[number + 1 :])


CHANGES = {
    "an entry left out": ENTRIES[:1] + ENTRIES[2:],
    "two swapped": (ENTRIES[1], ENTRIES[0], *ENTRIES[2:]),
    "another digest": changed(0, digest=bytes(32)),
    "another name": changed(1, name=b"/usr/bin/sh"),
    "another signature": changed(2, extra=b"x"),
    "one said to be a violation": changed(1, spoilt=True),
    "a violation hidden": changed(4, spoilt=False),
    "one moved to another PCR": changed(1, pcr=9),
    "another list": (Measured(b"/other"),),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_list_that_was_tampered_with_does_not_replay(name: str) -> None:
    actual = extended(ENTRIES, "sha256")
    match(ImaState.at_boot("sha256"), read_ascii(LINES), actual)
    entries = read_ascii(b"".join(one.line() for one in CHANGES[name]))
    with pytest.raises(EvidenceError, match="which the IMA list gives after none"):
        match(ImaState.at_boot("sha256"), entries, actual)


GOOD = ENTRIES[1].line()
MALFORMED = {
    "no end of line": GOOD[:-1],
    "an empty line": GOOD + b"\n",
    "a blank more": GOOD[:-1] + b" \n",
    "a word more": GOOD[:-1] + b" word\n",
    "no name": b" ".join(GOOD.split(b" ")[:4]) + b"\n",
    "an unknown template": GOOD.replace(b"ima-ng", b"ima-xy"),
    "PCR 24": b"24" + GOOD[2:],
    "PCR -1": b"-1" + GOOD[2:],
    "PCR 1010": b"10" + GOOD,
    "digits that are not": GOOD.replace(b"sha256:00", b"sha256:0g"),
    "digits with blanks": GOOD.replace(b"sha256:0001", b"sha256:00\t01"),
    "half a byte": GOOD.replace(b"sha256:00", b"sha256:0"),
    "a template hash of 19 bytes": GOOD[:3] + GOOD[5:],
    "a NUL in the name": GOOD.replace(b"bash", b"ba\0h"),
    "a line over the limit": GOOD.replace(b"bash", b"x" * MAX_LINE),
    "a path over the limit": GOOD.replace(b"bash", b"x" * 5000),
    "a hash's name in template ima": ENTRIES[8].line().replace(b" 00", b" sha1:00"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_no_kernel_writes_is_refused(name: str) -> None:
    read_ascii(GOOD)
    with pytest.raises(StructureError):
        read_ascii(MALFORMED[name])


def test_an_entry_that_is_not_what_was_hashed_is_named() -> None:
    spoilt = LINES.replace(b"/usr/bin/bash", b"/usr/bin/dash")
    with pytest.raises(
        EvidenceError, match=r"IMA entry 1 sha256:.* /usr/bin/dash is not"
    ):
        read_ascii(spoilt)


def test_what_a_file_is_called_cannot_act_on_a_terminal() -> None:
    (entry,) = read_ascii(Measured(b"/x\x1b[2J\xff").line())
    assert str(entry).endswith(r"/x\x1b[2J?")
    assert entry.name.encode("utf-8", "surrogateescape") == b"/x\x1b[2J\xff"


@pytest.mark.parametrize("read", [read_ascii, read_binary])
@STEADY
@given(data=st.data())
def test_nothing_but_our_errors_comes_out(read: object, data: st.DataObject) -> None:
    good = LINES if read is read_ascii else BINARY
    wrong = data.draw(mutations(good))
    try:
        entries = read_ascii(wrong) if read is read_ascii else read_binary(wrong)
    except HwError:
        return
    assert all(isinstance(one, Measurement) and str(one) for one in entries)


NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda one: not set(one) & {0, 10, 32}
)


@STEADY
@given(
    st.lists(
        st.builds(
            Measured,
            NAMES,
            st.sampled_from(["ima-ng", "ima-sig", "ima-buf"]),
            digest=st.binary(min_size=32, max_size=32),
            extra=st.binary(max_size=20),
            spoilt=st.booleans(),
        ),
        max_size=12,
    ),
    st.integers(0, 12),
    st.booleans(),
)
def test_any_list_replays_up_to_any_quote_and_on_from_there(
    made: list[Measured], cut: int, padded: bool
) -> None:
    cut = min(cut, len(made))
    entries = read_ascii(b"".join(one.line() for one in made))
    start = ImaState.at_boot("sha256")
    first = match(start, entries, extended(made[:cut], "sha256", padded=padded))
    assert first.state.count == cut
    rest = entries[cut:]
    whole = match(first.state, rest, extended(made, "sha256", padded=padded))
    assert whole.state.count == len(made)
    ahead = match(
        advance(start, entries[:cut]), rest, extended(made, "sha256", padded=padded)
    )
    assert ahead.state == whole.state


def test_a_list_that_no_quote_was_seen_of_goes_on_either_way() -> None:
    entries = read_ascii(LINES)
    ahead = advance(ImaState.at_boot("sha256"), entries)
    assert (ahead.count, ahead.extends) == (len(entries), None)
    for padded in (False, True):
        found = match(ahead, (), extended(ENTRIES, "sha256", padded=padded))
        assert found.state.extends == ("padded" if padded else "hashed")
        more = read_ascii(Measured(b"/more").line(), first=found.state.count)
        whole = (*ENTRIES, Measured(b"/more"))
        assert advance(found.state, more).value == extended(
            whole, "sha256", padded=padded
        )
    with pytest.raises(EvidenceError, match="entry 0 where 9 should be"):
        advance(ahead, entries)
