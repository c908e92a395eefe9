"""``vouchgate voucher import`` over a line that breaks."""

import json
from pathlib import Path

import pytest

from onboarding.cli.app import run
from onboarding.cli.voucher_import import FEW
from onboarding.services.voucher_import import TOGETHER
from onboarding.store.apikeys import Role
from tests.support.api_bench import Api
from tests.support.cutting_relay import cut_once
from tests.support.sold_vouchers import sold_to, strange

pytest_plugins = ["tests.support.service_fixtures"]

COUNT = TOGETHER + 5


def test_an_answer_that_breaks_off_is_asked_for_again_from_there_on(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, key = tmp_path / "vouchers.pem", tmp_path / "key"
    file.write_text("".join(sold_to(api.site, COUNT)))
    key.write_text(api.keys[Role.OPERATOR])
    with cut_once(api.service.url, 2000) as url:
        asked = ["voucher", "import", str(file), "--url", url, "--json"]
        assert run([*asked, "--api-key-file", str(key)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [one["index"] for one in report["results"]] == list(range(COUNT))
    assert len({one["guid"] for one in report["results"]}) == COUNT
    # Who is told nothing before the line breaks finds all of them there already.
    assert report["imported"] + report["unchanged"] == COUNT
    assert report["unchanged"] > 0


def test_of_many_those_are_told_of_that_were_refused(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, key = tmp_path / "vouchers.pem", tmp_path / "key"
    key.write_text(api.keys[Role.OPERATOR])
    asked = ["voucher", "import", str(file), "--url", api.service.url]
    asked += ["--api-key-file", str(key)]
    good = sold_to(api.site, FEW)
    file.write_text("".join(good))
    assert run(asked) == 0
    assert capsys.readouterr().out.count("imported") == FEW
    file.write_text("".join([*good[:9], strange(), *good[9:]]))
    assert run(asked) == 1
    head, refused, counts = capsys.readouterr().out.strip().splitlines()
    assert head.startswith("GUID")
    assert "owner_key" in refused
    said = f"0 imported, 0 extended, {FEW} unchanged, 1 refused; --json tells of each"
    assert counts == said
    assert run([*asked, "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["results"]) == FEW + 1
