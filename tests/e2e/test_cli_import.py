"""``vouchgate voucher import`` over a line that breaks."""

import json
from pathlib import Path

import pytest

from onboarding.cli.app import run
from onboarding.services.voucher_import import TOGETHER
from onboarding.store.apikeys import Role
from tests.support.api_bench import Api
from tests.support.cutting_relay import cut_once
from tests.support.sold_vouchers import sold_to

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
