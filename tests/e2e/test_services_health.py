"""What a service says of itself to whoever asks, without a key."""

import re
from pathlib import Path
from typing import Any

import httpx

from attestation.keylime.stack import KeylimeStack
from onboarding.services.context import SERVER_KEY_FILE
from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from tests.support.api_bench import Api, is_problem
from tests.support.databases import NewDatabase
from tests.support.fdo_chain import Chain, eventually
from tests.support.services import Site, Wire

pytest_plugins = ["tests.support.service_fixtures"]

SAMPLE = re.compile(
    r'[a-z0-9_]+(\{([a-z_]+="[A-Za-z0-9.+_-]*",?)+\})? [0-9.]+(e[+-][0-9]+)?'
)


def metrics(http: httpx.Client) -> dict[str, float]:
    reply = http.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [one for one in reply.text.splitlines() if not one.startswith("#")]
    assert all(SAMPLE.fullmatch(one) for one in samples), samples
    pairs = (one.rsplit(" ", 1) for one in samples)
    return {name: float(value) for name, value in pairs}


def test_metrics_count_devices_by_state_and_refusals_by_code(
    fdo_chain: Chain,
) -> None:
    http = fdo_chain.owner.http
    before = metrics(http)
    Wire.to(fdo_chain.owner.url).post(60, b"\xff")
    http.get("/api/v1/devices")
    fdo_chain.owner.call(fdo_chain.owner_key, "GET", "/devices/none")
    after = metrics(http)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert grown('vouchgate_refusals_total{code="100",surface="fdo"}') == 1
    assert grown('vouchgate_refusals_total{code="api-key-missing",surface="http"}') == 1
    assert grown('vouchgate_refusals_total{code="invalid-guid",surface="http"}') == 1
    states = {name for name in after if name.startswith("vouchgate_devices{")}
    assert len(states) == 11
    assert {"vouchgate_runs", "vouchgate_registrations"} <= set(after)


def test_metrics_count_what_succeeds(fdo_chain: Chain) -> None:
    http = fdo_chain.owner.http
    before = metrics(http)
    device = fdo_chain.bought()
    device.onboard(Wire.to(fdo_chain.owner.url))
    done = 'vouchgate_fdo_runs_total{protocol="TO2",result="done"}'
    api = 'vouchgate_request_duration_seconds_count{status="2xx",surface="api"}'
    registered = 'vouchgate_to0_attempts_total{result="registered"}'
    after = metrics(http)
    assert after[done] - before.get(done, 0) == 1
    assert after[api] - before.get(api, 0) == 1  # the import
    assert sum(name.startswith("vouchgate_build_info{") for name in after) == 1
    assert after["process_resident_memory_bytes"] > 1_000_000
    assert after["process_cpu_seconds_total"] > 0
    fdo_chain.bought()
    eventually(lambda: metrics(http).get(registered, 0) > before.get(registered, 0))


def test_metrics_name_nobody_and_nothing_secret(api: Api) -> None:
    text = api.service.http.get("/metrics").text
    for key in api.keys.values():
        api.service.call(key, "GET", "/nothing")
        assert key not in text
    said = "\n".join(one.rsplit(" ", 1)[0] for one in text.splitlines())
    assert not re.search(r"[0-9a-f]{16}", said)  # what was measured has many digits


def test_a_service_whose_token_keys_do_not_open_says_so(
    tmp_path: Path, databases: NewDatabase
) -> None:
    site = Site(tmp_path, databases=databases)
    settings = site.settings(Service.OWNER, background=False)
    with site.serve(settings) as service:
        assert service.http.get("/readyz").json()["checks"]["keys"] == "ok"
    (settings.key_directory / SERVER_KEY_FILE).write_bytes(bytes(32))
    with site.serve(settings) as service:
        reply = service.http.get("/readyz")
        assert (reply.status_code, reply.json()["code"]) == (503, "not-ready")
        assert is_problem(reply)
        assert reply.json()["checks"]["database"] == "ok"
        assert "another key file" in reply.json()["checks"]["keys"]


def test_an_owner_whose_keylime_is_gone_is_degraded_and_says_so(
    tmp_path: Path, keylime_stack: KeylimeStack, databases: NewDatabase
) -> None:
    where = keylime_stack.client_settings()
    keylime: dict[str, Any] = {
        "keylime_verifier_url": where.verifier_url,
        "keylime_registrar_url": where.registrar_url,
        "keylime_registrar_http_url": where.registrar_http_url,
        "keylime_ca": where.ca,
        "keylime_cert": where.cert,
        "keylime_key": where.key,
    }
    site = Site(tmp_path, databases=databases)
    for url, status in (
        (where.verifier_url, "ready"),
        ("https://127.0.0.1:1", "degraded"),
    ):
        keylime["keylime_verifier_url"] = url
        settings = site.settings(Service.OWNER, background=False, **keylime)
        key = site.api_key(settings, Role.ADMIN)
        with site.serve(settings) as service:
            said = service.http.get("/readyz")
            assert said.status_code == 200
            assert said.json()["status"] == status
            assert (said.json()["checks"]["keylime"] == "ok") == (status == "ready")
            # Asked for its version only: what judges evidence is found out by judging.
            listed = service.call(key, "GET", "/verifiers").json()["items"]
            assert [(one["url"], one["circuit"]) for one in listed] == [(url, "closed")]
            counts = service.http.get("/metrics").text
            assert 'vouchgate_verifiers{circuit="closed"} 1.0' in counts
