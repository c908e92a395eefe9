"""Each row of the table of threats names a test, and that test is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
THREATS = ROOT / "docs/security/threats.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
NAMED = (
    "swapped tpm",
    "cloned software state",
    "replayed quote",
    "old policy",
    "rolled-back log",
    "ak of another tpm",
    "ek without certificate",
    "voucher for another serial",
    "registrar poisoned directly",
    "verifier impersonated",
    "man in the middle of to2",
    "owner key stolen",
)


def rows() -> list[list[str]]:
    lines = [one for one in THREATS.read_text().splitlines() if one.startswith("| ")]
    cells = [[cell.strip() for cell in one.strip("| ").split(" | ")] for one in lines]
    return cells[2:]  # without the heading and the line below it


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    functions = (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef))
    return frozenset(one.name for one in functions)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_each_row_names_a_test_that_is_there(row: list[str]) -> None:
    attack, stopped_by, test = row
    assert attack
    assert stopped_by
    found = TEST.fullmatch(test)
    assert found, test
    path, name = found.groups()
    assert (ROOT / path).is_file()
    assert name in names_in(path)


@pytest.mark.parametrize("attack", NAMED)
def test_no_attack_is_left_out(attack: str) -> None:
    heads = [head.lower() for head in re.findall(r"\*\*(.+?)\*\*", THREATS.read_text())]
    assert any(attack in head for head in heads)


def test_a_name_that_is_no_test_would_be_found() -> None:
    assert "test_each_row_names_a_test_that_is_there" in names_in(
        "tests/unit/project/test_threats.py"
    )
    assert "test_that_nobody_wrote" not in names_in(
        "tests/unit/project/test_threats.py"
    )
