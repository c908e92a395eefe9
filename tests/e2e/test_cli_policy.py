"""`vouchgate policy` against one real process that is all services."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onboarding.cli.app import run
from onboarding.store.database import Database
from onboarding.store.errors import NotFound
from onboarding.store.ima_lists import ImaListStore, ListHead
from onboarding.store.learnings import LearningRecord, LearningStore
from ownership_vouchers.types import Guid
from tests.support.boot_logs import recorded_log, recorded_pcrs
from tests.support.cli_site import Capture, Site, answer, call, running_site
from tests.support.ima_lists import Measured, extended

APP = Measured(b"/usr/bin/app", digest=b"\1" * 32)
RAN = (Measured(b"boot_aggregate"), APP)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def guid(site: Site, tmp_path: Path, capsys: Capture) -> str:
    """A device that was made here."""
    state = ["--directory", str(tmp_path)]
    made = ["--serial", "SN-1", "--tcti", "none", "--force"]
    assert run(["device", "di", "--url", site.url, *made, *state]) == 0
    return str(answer(capsys, "device", "status", *state)["guid"])


def where(site: Site, role: str = "security") -> list[str]:
    return ["--url", site.url, "--api-key-file", str(site.key(role))]


def show(site: Site, guid: str, boot: str, ran: tuple[Measured, ...] = ()) -> None:
    """What an attestation would have left behind: a recorded boot, and a list."""
    values = {pcr: one.hex() for pcr, one in recorded_pcrs(boot).items()}
    raw = Guid.parse(guid).raw
    database = Database(f"sqlite:///{site.home / 'all.db'}")
    if ran:
        values[10] = extended(ran, "sha256").hex()
        keep_list(ImaListStore(database), raw, ran)
    record = LearningRecord(raw, 0, "", 1, "sha256", values, recorded_log(boot))
    LearningStore(database).show(record, "test")
    database.close()


def keep_list(lists: ImaListStore, raw: bytes, ran: tuple[Measured, ...]) -> None:
    lines = b"".join(one.line() for one in ran)
    try:
        before = lists.get(raw)
    except NotFound:
        before = None
    generation = 0 if before is None else before.generation + 1
    end, size = extended(ran, "sha256"), len(lines)
    count = len(ran)
    head = ListHead(
        raw, generation, "sha256", count, size, end, b"", "hashed", count, 0, 1
    )
    lists.put(before, head, lines)


def test_a_policy_is_learnt_looked_at_and_accepted(
    site: Site, guid: str, capsys: Capture
) -> None:
    learn = ["policy", "learn", guid, "--name", "box", *where(site)]
    assert answer(capsys, *learn)["shown_at"] is None
    assert run(learn) == 1
    assert "has not attested since" in capsys.readouterr().err

    show(site, guid, "direct-boot")
    assert run(learn) == 0
    told = capsys.readouterr().out
    assert "version 1, new" in told
    assert "+ PCR 7: firmware setting: SecureBoot = off [EV_EFI" in told
    first: Any = answer(capsys, *learn)
    assert f"--accept {first['digest']}" in told
    made = answer(capsys, *learn, "--accept", str(first["digest"]))
    assert (made["version"], made["digest"]) == (1, first["digest"])

    assert run([*learn, "--accept", str(first["digest"])]) == 1
    assert "Look at it again" in capsys.readouterr().err

    answer(capsys, *learn, "--again")
    show(site, guid, "secure-boot")
    second: Any = answer(capsys, *learn, "--pcr", "7")
    assert any("SecureBoot = on" in line for line in second["changes"])
    assert any(line.startswith("- PCR 0: ") for line in second["changes"])
    answer(capsys, *learn, "--pcr", "7", "--accept", str(second["digest"]))
    changed: Any = answer(capsys, "policy", "diff", "box", *where(site, "operator"))
    assert changed["changes"] == second["changes"]
    assert (changed["version"], changed["against"]) == (2, 1)

    assert run([*learn, "--update"]) == 1
    assert "side by side" in capsys.readouterr().err
    both: Any = answer(capsys, *learn, "--update", "--pcr", "7")
    assert len(both["policy"]["measured_boot"]["boots"]) == 2


def test_what_a_device_ran_is_learnt_looked_at_file_by_file_and_accepted(
    site: Site, guid: str, capsys: Capture
) -> None:
    learn = ["policy", "learn", guid, "--name", "ran", *where(site)]
    answer(capsys, *learn)
    show(site, guid, "direct-boot", RAN)
    plain: Any = answer(capsys, *learn)
    assert plain["runtime_policy"] is None
    assert run([*learn, "--ima"]) == 0
    told = capsys.readouterr().out
    assert f"+ file /usr/bin/app: {APP.digest.hex()}" in told
    first: Any = answer(capsys, *learn, "--ima")
    answer(capsys, *learn, "--ima", "--accept", str(first["digest"]))
    digest = str(first["policy"]["runtime_policy"])
    assert run(["policy", "runtime", "--show", digest, *where(site)]) == 0
    assert capsys.readouterr().out == first["runtime_policy"]

    answer(capsys, *learn, "--again")
    changed = replace(APP, digest=b"\2" * 32)
    show(site, guid, "direct-boot", (RAN[0], changed))
    both: Any = answer(capsys, *learn, "--ima", "--update")
    assert f"+ file /usr/bin/app: {changed.digest.hex()}" in both["changes"]
    assert not [one for one in both["changes"] if one.startswith("- file")]
    second: Any = answer(capsys, *learn, "--ima")
    files = [one for one in second["changes"] if " file " in one]
    assert files == [
        f"- file /usr/bin/app: {APP.digest.hex()}",
        f"+ file /usr/bin/app: {changed.digest.hex()}",
    ]
    answer(capsys, *learn, "--ima", "--accept", str(second["digest"]))
    stored = answer(capsys, "policy", "diff", "ran", *where(site, "operator"))
    assert stored["changes"] == second["changes"]


def test_a_device_that_showed_no_list_teaches_no_runtime_policy(
    site: Site, guid: str, capsys: Capture
) -> None:
    learn = ["policy", "learn", guid, "--name", "ran-not", *where(site)]
    answer(capsys, *learn)
    show(site, guid, "direct-boot")
    assert run([*learn, "--ima"]) == 1
    assert "has shown no IMA list" in capsys.readouterr().err


def test_only_security_learns(site: Site, guid: str, capsys: Capture) -> None:
    learn = ["policy", "learn", guid, "--name", "other", *where(site, "operator")]
    assert run(learn) == 1
    assert "security" in capsys.readouterr().err


def test_a_device_that_is_none_is_told(site: Site, capsys: Capture) -> None:
    learn = ["policy", "learn", "00" * 16, "--name", "other", *where(site)]
    assert run(learn) == 1
    assert "device" in capsys.readouterr().err


def test_a_policy_of_another_kind_is_not_learnt(
    site: Site, guid: str, capsys: Capture
) -> None:
    call(
        site,
        "security",
        "POST",
        "policies",
        {"kind": "release", "name": "default", "max_age_seconds": 60},
    )
    learn = ["policy", "learn", guid, "--name", "default", *where(site)]
    answer(capsys, *learn)
    show(site, guid, "direct-boot")
    assert run(learn) == 1
    assert "release policy" in capsys.readouterr().err
    assert run(["policy", "diff", "default", *where(site)]) == 0
    assert "+ max_age_seconds: 60" in capsys.readouterr().out
