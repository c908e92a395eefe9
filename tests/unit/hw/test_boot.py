"""Profiles and the measured boot: what is pinned is what a boot fills."""

import hashlib

import pytest

from hw.boot import boot_events, golden_pcrs
from hw.errors import HwError
from hw.profiles import BoardProfile, profile, profiles

by_profile = pytest.mark.parametrize("board", profiles(), ids=lambda board: board.name)


@by_profile
def test_a_boot_fills_every_pinned_pcr_and_no_other(board: BoardProfile) -> None:
    assert {pcr for pcr, _ in boot_events(board)} == set(board.pcrs)


@by_profile
def test_no_profile_pins_a_pcr_that_changes_while_running(board: BoardProfile) -> None:
    assert not {10, 16, 23} & set(board.pcrs)


@by_profile
def test_push_needs_an_rsa_attestation_key(board: BoardProfile) -> None:
    assert board.channel == "evidence" or board.ak_alg == "rsa"


@by_profile
def test_another_release_gives_other_values_where_anything_is_measured(
    board: BoardProfile,
) -> None:
    same = golden_pcrs(board) == golden_pcrs(board, release="1.1")
    assert same is not bool(board.pcrs)


def test_golden_values_chain_the_events_as_a_tpm_does() -> None:
    board = profile("generic-sbc-tpm")
    value = bytes(32)
    for event in (b"device-tree 1.0", b"boot-arguments 1.0", bytes(4)):
        value = hashlib.sha256(value + hashlib.sha256(event).digest()).digest()
    assert golden_pcrs(board)[1] == value.hex()


def test_an_unknown_profile_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        HwError, match="generic-no-tpm, generic-sbc-tpm, generic-server-tpm"
    ):
        profile("toaster")
