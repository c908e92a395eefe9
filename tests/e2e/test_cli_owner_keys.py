"""``vouchgate keys`` on owner keys, against one real process that is all services."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onboarding.cli.app import run
from tests.support.cli_site import Capture, Site, answer, call, running_site
from tests.support.services import Wire
from tests.support.soft_device import SoftDevice


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


def keys(site: Site, *words: str, role: str = "security") -> list[str]:
    key = str(site.key(role))
    return ["keys", *words, "--url", site.url, "--api-key-file", key]


def told(
    capsys: Capture, site: Site, *words: str, code: int = 0, role: str = "security"
) -> str:
    capsys.readouterr()
    assert run(keys(site, *words, role=role)) == code
    shown = capsys.readouterr()
    return shown.out + shown.err


def owner_pem(site: Site, name: str) -> Any:
    items = call(site, "operator", "GET", "keys")["items"]
    return next(one["public_pem"] for one in items if one["name"] == name)


def made(site: Site) -> str:
    """A device whose voucher ends in the site's first owner key."""
    guid = str(SoftDevice.made_at(Wire.to(site.url)).credential.guid)
    buyer = {"next_owner_pem": owner_pem(site, "owner")}
    call(site, "manufacturer", "POST", f"vouchers/{guid}/extend", buyer)
    return guid


def test_a_key_is_rotated_handed_over_and_retired(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    guid = made(site)
    offered = tmp_path / "offered.pem"
    key = ["--url", site.url, "--api-key-file", str(site.key("operator"))]
    answer(capsys, "voucher", "export", guid, "--out", str(offered), *key)
    assert "Import it: it ends in our key owner." in told(
        capsys, site, "match", str(offered)
    )
    shown = told(capsys, site, "owned", "--all")
    assert "owner active: 1 waiting" in shown
    assert guid in shown
    refused = told(capsys, site, "hand-over", "owner", code=1)
    assert "no successor" in refused

    shown = told(capsys, site, "rotate", "owner", "--reason", "yearly")
    assert "owner-2 takes over from owner" in shown
    assert "still hanging on it: 1 waiting" in shown
    refused = told(capsys, site, "retire", "owner", "--reason", "done", code=1)
    assert "1 vouchers or devices still need this key" in refused
    refused = told(capsys, site, "hand-over", "owner", code=1)
    assert "A key of role security may not do this." in refused
    shown = told(capsys, site, "hand-over", "owner", role="operator")
    assert "1 vouchers extended to owner-2" in shown
    found = answer(capsys, *keys(site, "owned", "owner"))
    assert found["keys"][0]["needed"] == 0  # type: ignore[index]
    shown = told(capsys, site, "retire", "owner", "--reason", "done")
    assert "owner is retired" in shown
    assert "still hanging on it: nothing" in shown
    assert "is retired: done" in told(
        capsys, site, "rotate", "owner", "--reason", "r", "--to", "owner-2", code=1
    )
    shown = told(capsys, site, "reinstate", "owner", "--reason", "mistake")
    assert "owner is retiring" in shown


def test_a_stolen_key_is_revoked_and_doctor_says_so(
    site: Site, capsys: Capture
) -> None:
    new = ["keys", "new", "--kind", "owner", "--name", "stolen"]
    fingerprint = str(answer(capsys, *new)["fingerprint"])
    shown = told(capsys, site, "revoke", fingerprint, "--reason", "laptop stolen")
    assert "stolen is revoked" in shown
    capsys.readouterr()
    run(["doctor", "--role", "owner"])
    assert "stolen is revoked, 0 still hang on it" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("rotate", "nobody", "--reason", "r"),
        ("revoke", "0" * 64, "--reason", "r"),
        ("owned", "nobody"),
        ("reinstate", "owner-none", "--reason", "r"),
    ],
)
def test_a_key_that_is_none_is_refused_with_a_sentence(
    site: Site, words: tuple[str, ...], capsys: Capture
) -> None:
    shown = told(capsys, site, *words, code=1)
    assert "no owner key" in shown
    assert "Traceback" not in shown
