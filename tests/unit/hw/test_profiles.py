"""Board profiles: files held to their schema, found by what a machine says it is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from hw.board_files import VARIABLE
from hw.errors import HwError
from hw.kernel_logs import UEFI_LOG
from hw.machine_facts import MachineFacts, read_facts
from hw.profiles import (
    Assurance,
    assurance_of,
    find_profile,
    profile,
    profiles,
    read_profile,
)
from tests.support.machine_trees import (
    BLANK_TPM,
    MACHINES,
    PI,
    SERVER,
    UEFI_SERVER,
    planted,
)

BOARDS = Path(str(resources.files("hw").joinpath("boards")))
GOOD: dict[str, Any] = json.loads((BOARDS / "uefi-server-tpm.json").read_text())


@pytest.mark.parametrize("path", sorted(BOARDS.glob("*.json")), ids=lambda p: p.stem)
def test_every_board_is_what_the_schema_says(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="extra 'keylime'")
    schema = json.loads((BOARDS / "schema.json").read_text())
    if path.name == "schema.json":
        jsonschema.Draft202012Validator.check_schema(schema)
    else:
        jsonschema.validate(json.loads(path.read_text()), schema)


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_is_found_by_what_it_says(name: str, tmp_path: Path) -> None:
    facts = read_facts(planted(tmp_path, MACHINES[name]))
    board = find_profile(facts)
    assert board.name == name
    assert assurance_of(board, facts) is board.assurance


def test_every_board_has_a_machine_that_it_is_found_for() -> None:
    assert {board.name for board in profiles()} == set(MACHINES)


def test_a_tpm_that_is_a_program_is_known_by_its_maker(tmp_path: Path) -> None:
    facts = read_facts(planted(tmp_path, UEFI_SERVER))
    assert find_profile(facts).name == "uefi-server-tpm"
    assert find_profile(replace(facts, tpm_manufacturer="IBM")).name == "qemu-swtpm"


LESS = {
    "the log is gone": (SERVER, Assurance.PCRS_ONLY),
    "the log is empty": ({**UEFI_SERVER, str(UEFI_LOG): b""}, Assurance.PCRS_ONLY),
    "nothing was measured": ({**SERVER, **BLANK_TPM}, Assurance.UNMEASURED),
    "the TPM is gone": (PI, Assurance.NO_TPM),
}


@pytest.mark.parametrize("name", LESS)
def test_a_machine_shows_no_more_than_what_is_there(name: str, tmp_path: Path) -> None:
    tree, seen = LESS[name]
    facts = read_facts(planted(tmp_path, tree))
    assert assurance_of(profile("uefi-server-tpm"), facts) is seen


def test_a_board_shows_no_more_than_its_level_whatever_is_there(tmp_path: Path) -> None:
    facts = read_facts(planted(tmp_path, UEFI_SERVER))
    hat = profile("raspberry-pi-tpm-hat")
    assert assurance_of(hat, facts) is Assurance.UNMEASURED


@pytest.mark.parametrize("level", list(Assurance))
def test_each_level_says_what_it_shows_and_what_not(level: Assurance) -> None:
    assert level.shows
    assert level.does_not_show
    boards = [board for board in profiles() if board.assurance is level]
    assert boards
    measured = level in (Assurance.MEASURED_BOOT, Assurance.PCRS_ONLY)
    assert all(bool(board.pcrs) is measured for board in boards)


CHANGES: dict[str, dict[str, Any]] = {
    "another name than the file's": {"name": "other"},
    "a kind we do not know": {"kind": "phone"},
    "a level we do not know": {"assurance": "total"},
    "an algorithm we do not know": {"ak_alg": "dsa"},
    "a channel we do not know": {"channel": "pigeon"},
    "push with an ECC key": {"channel": "push", "ak_alg": "ecc"},
    "PCR 10": {"pcrs": [0, 10]},
    "PCR 23": {"pcrs": [23]},
    "PCR 24": {"pcrs": [24]},
    "PCR -1": {"pcrs": [-1]},
    "no PCRs at a level that has them": {"pcrs": []},
    "PCRs at a level without": {"assurance": "tpm-without-measured-boot"},
    "no way to find it": {"match": []},
    "a condition that is none": {"match": [{}]},
    "a condition we do not know": {"match": [{"colour": "red"}]},
    "a DMI field we do not read": {"match": [{"dmi": {"chassis_tag": "x"}}]},
    "a condition of numbers": {"match": [{"dmi": {"sys_vendor": 1}}]},
    "a condition neither true nor false": {"match": [{"tpm": "yes"}]},
    "a description of another kind": {"description": 1},
    "a field too many": {"price": 1},
    "no description": {"description": None},
    "a name that is a path": {"name": "../uefi-server-tpm"},
    "a description without words": {"description": ""},
    "a description without end": {"description": "x" * 201},
    "a caveat without words": {"caveat": ""},
    "a PCR that is a text": {"pcrs": ["0"]},
    "a PCR that is truth": {"pcrs": [True]},
    "half a PCR": {"pcrs": [1.5]},
    "a PCR twice": {"pcrs": [0, 0]},
    "a text for a list, of which one letter is any": {"match": [{"device_tree": "a*"}]},
    "a map for a list": {"match": [{"tpm_manufacturer": {"IFX": 1}}]},
    "an empty list of names": {"match": [{"device_tree": [], "tpm": True}]},
    "a DMI field without value": {"match": [{"dmi": {"sys_vendor": ""}}]},
    "no DMI field": {"match": [{"dmi": {}, "tpm": True}]},
    "a state that is null": {"match": [{"tpm": None, "measured": True}]},
    "too many ways to find it": {"match": [{"tpm": True}] * 17},
    "another schema": {"$schema": "other.json"},
}
NOT_OF_THE_SCHEMA = {  # what it cannot say
    "another name than the file's",
    "push with an ECC key",
    "PCR 10",
    "no PCRs at a level that has them",
    "PCRs at a level without",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_that_is_no_board_is_refused(name: str) -> None:
    read_profile("uefi-server-tpm", json.dumps(GOOD).encode())
    wrong = {key: v for key, v in {**GOOD, **CHANGES[name]}.items() if v is not None}
    with pytest.raises(HwError, match="board uefi-server-tpm"):
        read_profile("uefi-server-tpm", json.dumps(wrong).encode())


@pytest.mark.parametrize("name", CHANGES)
def test_an_editor_underlines_what_a_service_refuses(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="extra 'keylime'")
    schema = json.loads((BOARDS / "schema.json").read_text())
    wrong = {key: v for key, v in {**GOOD, **CHANGES[name]}.items() if v is not None}
    valid = jsonschema.Draft202012Validator(schema).is_valid(wrong)
    assert valid is (name in NOT_OF_THE_SCHEMA)


ODD: list[Any] = [
    None,
    True,
    0,
    1.5,
    -1,
    "",
    "x",
    "a*",
    [],
    ["x"],
    [1],
    [[]],
    {},
    {"tpm": 1},
]
IN_MATCH = ["device_tree", "dmi", "tpm", "tpm_manufacturer", "measured", "event_log"]


@pytest.mark.parametrize("field", sorted(GOOD.keys() | {"caveat"}))
def test_no_odd_value_of_a_field_is_taken_that_the_schema_refuses(field: str) -> None:
    for odd in ODD:
        require_no_laxer_than_the_schema({**GOOD, field: odd})


@pytest.mark.parametrize("field", IN_MATCH)
def test_no_odd_condition_is_taken_that_the_schema_refuses(field: str) -> None:
    for odd in ODD:
        condition = {**GOOD["match"][0], field: odd}
        require_no_laxer_than_the_schema({**GOOD, "match": [condition]})


def require_no_laxer_than_the_schema(document: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="extra 'keylime'")
    schema = json.loads((BOARDS / "schema.json").read_text())
    if not jsonschema.Draft202012Validator(schema).is_valid(document):
        with pytest.raises(HwError, match=r"no profile|calls itself"):
            read_profile(str(document["name"]), json.dumps(document).encode())


def test_a_name_that_is_there_twice_is_refused() -> None:
    twice = json.dumps(GOOD)[:-1] + ', "assurance": "measured-boot"}'
    with pytest.raises(HwError, match="twice"):
        read_profile("uefi-server-tpm", twice.encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"null", b"\xff", b"[" * 5000])
def test_bytes_that_are_no_board_are_refused(data: bytes) -> None:
    with pytest.raises(HwError, match="is no profile"):
        read_profile("x", data)


def test_a_machine_that_fits_no_board_is_said_so() -> None:
    only_measured = MachineFacts(dmi={}, tpm=True, measured=True)
    with pytest.raises(HwError, match="name one"):
        find_profile(only_measured)


OWN = {
    "name": "acme-edge",
    "description": "Acme Edge 2",
    "kind": "sbc",
    "assurance": "pcrs-only",
    "ak_alg": "ecc",
    "channel": "evidence",
    "pcrs": [0, 4, 7],
    "match": [{"device_tree": ["acme,edge-2"], "tpm": True, "measured": True}],
}


@pytest.fixture
def own_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of an operator's own boards."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    profiles.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    profiles.cache_clear()


def test_a_board_of_an_operators_own_is_a_file_beside_those_that_come_along(
    own_boards: Path,
) -> None:
    (own_boards / "acme-edge.json").write_text(json.dumps(OWN))
    (own_boards / "schema.json").write_bytes((BOARDS / "schema.json").read_bytes())
    (own_boards / "README").write_text("not a board")
    assert profile("acme-edge").pcrs == (0, 4, 7)
    facts = MachineFacts(("acme,edge-2",), {}, True, "IFX", True, False)
    assert find_profile(facts).name == "acme-edge"
    assert profile("raspberry-pi").assurance is Assurance.NO_TPM


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("acme-edge", json.dumps({**OWN, "more": 1}), "acme-edge is no profile"),
        ("acme-edge", json.dumps({**OWN, "pcrs": [10]}), "change while running"),
        ("other", json.dumps(OWN), "calls itself acme-edge"),
        ("acme-edge", "{", "acme-edge is no profile"),
        ("acme-edge", json.dumps(OWN) + " " * 65536, "too large"),
        ("qemu-swtpm", json.dumps({**OWN, "name": "qemu-swtpm"}), "comes along"),
    ],
)
def test_a_file_that_is_no_board_is_refused_with_its_name_and_why(
    own_boards: Path, name: str, text: str, said: str
) -> None:
    (own_boards / f"{name}.json").write_text(text)
    with pytest.raises(HwError, match=said):
        profiles()


def test_a_directory_that_is_not_there_is_said(
    own_boards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(own_boards / "none"))
    with pytest.raises(HwError, match="VOUCHGATE_BOARDS"):
        profiles()
