"""The guide's tables of boards and levels say what the board files and the code say."""

import re
from pathlib import Path

import pytest

from hw.profiles import Assurance, BoardProfile, profiles

GUIDE = (Path(__file__).parents[3] / "docs" / "devices.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in GUIDE.splitlines()
    if line.startswith("| ")
]


@pytest.mark.parametrize("board", profiles(), ids=lambda board: board.name)
def test_a_board_is_told_with_its_level_its_channel_and_its_pcrs(
    board: BoardProfile,
) -> None:
    (row,) = (one for one in ROWS if f"`{board.name}`" in one[0])
    assert re.findall(r"`([^`]+)`", row[1])[0] == board.assurance.value
    assert row[4] == (", ".join(map(str, board.pcrs)) or "none")
    if board.assurance is not Assurance.NO_TPM:
        assert row[2].lower().startswith("rsa" if board.ak_alg == "rsa" else "ecc")
        assert row[3] == board.channel


@pytest.mark.parametrize("level", list(Assurance))
def test_a_level_is_told_with_what_it_shows_and_what_not(level: Assurance) -> None:
    (row,) = (one for one in ROWS if one[0] == f"`{level.value}`" and len(one) == 3)
    assert row[1:] == [level.shows, level.does_not_show]
