"""ServiceInfo plans over real HTTP: set over the API, run in the next TO2."""

import hashlib
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from hw.keys import new_soft_key
from onboarding.device.modules.conformance import ConformanceModule
from onboarding.device.modules.csr import CERTIFICATE, CsrModule
from onboarding.protocol.errors import PeerFailed
from onboarding.protocol.step import Send
from onboarding.services.key_store import KeyKind
from onboarding.wire.message import MsgType
from tests.support.fdo_chain import Chain
from tests.support.plans import (
    CONTENT,
    ask,
    call,
    deliveries,
    give,
    onboard,
    step,
    store,
    text,
)
from tests.support.services import Wire
from tests.support.soft_device import FACTS

pytest_plugins = ["tests.support.service_fixtures", "tests.support.plan_fixtures"]


def test_a_plan_is_stored_in_versions_and_shown(chain: Chain) -> None:
    first = store(chain, "shown", text("a", "1"))
    assert first["version"] == 1
    assert store(chain, "shown", text("a", "1"))["version"] == 1
    assert store(chain, "shown", text("a", "2"))["version"] == 2
    shown = ask(chain, "GET", "/service-info/plans/shown?version=1")
    assert (shown["digest"], shown["versions"]) == (first["digest"], [2, 1])
    assert shown["steps"] == [{**text("a", "1"), "seconds": 600}]
    names = [one["name"] for one in ask(chain, "GET", "/service-info/plans")["items"]]
    assert "shown" in names


def test_a_device_runs_its_own_plan_with_its_own_values(
    chain: Chain, tmp_path: Path
) -> None:
    device = chain.bought()
    ask(chain, "POST", "/service-info/files?name=app", content=CONTENT)
    store(
        chain,
        "own",
        step("fdo.download", name="etc/{serial}.bin", file="app"),
        text("etc/id", "{guid} {devmod.arch} {{}}"),
        step("fdo.command", command=sys.executable, args=["-c", "print('{model}')"]),
        step("fdo.upload", name=str(tmp_path / "etc" / "id")),
    )
    guid = device.credential.guid
    assert give(chain, device, "own")["because"] == "it is this device's own"
    onboard(chain, device, tmp_path)
    (pushed,) = [one for one in (tmp_path / "etc").iterdir() if one.suffix == ".bin"]
    assert pushed.read_bytes() == CONTENT
    assert (tmp_path / "etc" / "id").read_text() == f"{guid} {FACTS.arch} {{}}"
    shown = ask(chain, "GET", f"/devices/{device.credential.guid}")["modules"]
    assert [one["ok"] for one in shown[-4:]] == [True] * 4
    again = ask(chain, "GET", f"/devices/{device.credential.guid}/service-info")
    assert again["plan"] == "own"  # it follows the device to its new GUID


@pytest.mark.parametrize("reused", [False, True])
def test_a_plan_can_name_the_guid_that_the_device_will_have(
    chain: Chain, tmp_path: Path, reused: bool
) -> None:
    device = chain.bought()
    before = device.credential.guid
    store(chain, "named", text("id", "{guid} {next_guid}"))
    give(chain, device, "named")
    if reused:
        path = f"/vouchers/{before}/credential"
        ask(chain, "PUT", path, json={"mode": "reuse"})
    onboard(chain, device, tmp_path, allow_reuse=reused)
    assert (device.credential.guid == before) is reused
    assert (tmp_path / "id").read_text() == f"{before} {device.credential.guid}"


def test_rules_hold_from_the_next_to2_on_without_a_restart(
    chain: Chain, tmp_path: Path
) -> None:
    store(chain, "everyone", text("who", "everyone"))
    store(chain, "berlin", text("who", "berlin"))
    ask(chain, "PUT", "/service-info/rules", json={"plan": "everyone"})
    rule = {"labels": {"site": "berlin"}, "plan": "berlin"}
    listed = ask(chain, "PUT", "/service-info/rules", json=rule)["items"]
    first = ask(chain, "GET", "/service-info/rules?limit=1")
    where = f"/service-info/rules?limit=1&cursor={first['next']}"
    assert first["items"] + ask(chain, "GET", where)["items"] == listed[:2]
    assert [one["plan"] for one in listed] == ["berlin", "everyone"]
    device = chain.bought()
    onboard(chain, device, tmp_path)
    assert (tmp_path / "who").read_text() == "everyone"
    other = chain.bought()
    path = f"/devices/{other.credential.guid}"
    ask(chain, "PUT", f"{path}/labels", json={"labels": {"site": "berlin"}})
    shown = ask(chain, "GET", f"{path}/service-info")
    assert shown["because"] == 'of the rule for labels {"site": "berlin"}'
    onboard(chain, other, tmp_path)
    assert (tmp_path / "who").read_text() == "berlin"
    for labels in ({}, {"site": "berlin"}):
        gone = {"labels": labels, "plan": None}
        ask(chain, "PUT", "/service-info/rules", json=gone)
    assert ask(chain, "GET", f"{path}/service-info")["plan"] is None


def test_a_run_ends_with_the_plan_it_began_with_at_any_replica(
    chain: Chain, tmp_path: Path
) -> None:
    device = chain.bought()
    store(chain, "pinned", text("a", "old " * 1000), text("b", "old"))
    give(chain, device, "pinned")
    wire = Wire.to(chain.owner.url, chain.replica().url)
    changed: list[int] = []

    def change(move: Send, _token: str | None) -> None:
        if move.type is MsgType.TO2_DEVICE_SERVICE_INFO and not changed:
            new = store(chain, "pinned", text("a", "new"))
            changed.append(new["version"])

    wire.before = change
    onboard(chain, device, tmp_path, wire=wire)
    assert changed == [2]
    assert (tmp_path / "b").read_text() == "old"
    assert (tmp_path / "a").read_text().startswith("old")


def test_a_required_module_that_is_missing_fails_the_run_and_the_next_one_succeeds(
    chain: Chain, tmp_path: Path
) -> None:
    device = chain.bought()
    store(chain, "strict", step("fdo.command", command=sys.executable, args=["-V"]))
    give(chain, device, "strict")
    before = device.credential
    with pytest.raises(PeerFailed, match="required ServiceInfo module"):
        onboard(chain, device, tmp_path, modules=())
    events = ask(chain, "GET", f"/devices/{before.guid}/timeline")["items"]
    assert "fdo.command: the device does not have it" in str(events)
    assert device.credential == before
    onboard(chain, device, tmp_path)
    assert device.credential.guid != before.guid


def test_a_device_is_given_a_certificate_by_the_owners_ca(
    chain: Chain, tmp_path: Path
) -> None:
    device = chain.bought()
    store(chain, "certified", step("fdo.csr", common_name="{serial}", days=7))
    give(chain, device, "certified")
    made = CsrModule(tmp_path, lambda: new_soft_key("P-256"), "SN-1")
    onboard(chain, device, tmp_path, modules=(made,))
    certificate = x509.load_pem_x509_certificate((tmp_path / CERTIFICATE).read_bytes())
    ca = chain.site.keys[KeyKind.DEVICE_CA].certificate_pem or ""
    authority = x509.load_pem_x509_certificate(ca.encode())
    certificate.verify_directly_issued_by(authority)
    assert certificate.subject.rfc4514_string() == "CN=SN-1"
    (run,) = deliveries(chain, device)
    assert run["modules"][-1]["serial"] == f"{certificate.serial_number:x}"


def test_a_labs_token_is_given_only_where_the_service_was_told_to(
    chain: Chain, tmp_path: Path
) -> None:
    body = {"name": "lab", "steps": [step("fido_alliance")]}
    refused = call(chain, "POST", "/service-info/plans", json=body)
    assert "no such module" in refused.json()["detail"]
    (tmp_path / "token").write_text("secret-of-the-lab\n")
    settings = chain.owner_settings.model_copy(
        update={"conformance_token_file": tmp_path / "token"}
    )
    with chain.site.serve(settings) as lab:
        stored = lab.call(chain.owner_key, "POST", "/service-info/plans", json=body)
        assert stored.status_code == 201
        device = chain.bought()
        give(chain, device, "lab")
        made = ConformanceModule(tmp_path)
        device.onboard(Wire.to(lab.url), modules=(made,))
    kept = tmp_path / "conformance-token"
    assert kept.read_text() == "secret-of-the-lab"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    shown = deliveries(chain, device)
    assert shown[0]["modules"][-1]["ok"]
    assert "secret-of-the-lab" not in str(shown) + stored.text


BAD_PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "no such module": (step("fdo.none"), "plan-refused"),
    "an unknown variable": (text("a", "{color}"), "plan-refused"),
    "no such file": (step("fdo.download", name="a", file="none"), "no-such-file"),
    "a step with more in it": ({**text("a", ""), "shell": True}, "invalid"),
}


@pytest.mark.parametrize("name", BAD_PLANS)
def test_a_plan_that_cannot_be_run_is_refused_when_it_is_written(
    chain: Chain, name: str
) -> None:
    wrong, code = BAD_PLANS[name]
    body = {"name": "bad", "steps": [wrong]}
    reply = call(chain, "POST", "/service-info/plans", json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, code)


def test_what_is_not_there_cannot_be_given(chain: Chain) -> None:
    device = chain.bought()
    path = f"/devices/{device.credential.guid}/service-info"
    for where in (path, "/service-info/rules"):
        reply = call(chain, "PUT", where, json={"plan": "none"})
        assert (reply.status_code, reply.json()["code"]) == (404, "not-found")


def test_a_file_is_kept_as_long_as_a_plan_sends_it(chain: Chain) -> None:
    path = "/service-info/files"
    stored = ask(chain, "POST", f"{path}?name=kept", content=b"kept")
    assert stored["sha256"] == hashlib.sha256(b"kept").hexdigest()
    assert stored["sha384"] == hashlib.sha384(b"kept").hexdigest()
    store(chain, "keeper", step("fdo.download", name="a", file="kept"))
    refused = call(chain, "DELETE", f"{path}/{stored['sha256']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "file-in-use")
    store(chain, "keeper", text("a", ""))
    assert call(chain, "DELETE", f"{path}/{stored['sha256']}").status_code == 204
    assert stored not in ask(chain, "GET", path)["items"]


def test_a_plan_whose_file_is_gone_fails_the_run_and_says_so(chain: Chain) -> None:
    device = chain.bought()
    stored = ask(chain, "POST", "/service-info/files?name=gone", content=b"gone")
    store(chain, "old", step("fdo.download", name="a", file="gone"))
    path = f"/devices/{device.credential.guid}/service-info"
    ask(chain, "PUT", path, json={"plan": "old", "version": 1})
    store(chain, "old", text("a", ""))
    call(chain, "DELETE", f"/service-info/files/{stored['sha256']}")
    with pytest.raises(PeerFailed) as refused:
        onboard(chain, device, Path("unused"))
    assert int(refused.value.message.code) == 500
    events = ask(chain, "GET", f"/devices/{device.credential.guid}/timeline")["items"]
    assert "plan old@1: step 1, fdo.download: there is no file" in str(events)
