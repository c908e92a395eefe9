"""Logs of real services: they say whom a line is about, and no secret at any level."""

import io
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from attestation.keylime.stack import KeylimeStack
from hw.keys import new_soft_key
from onboarding.protocol.errors import PeerFailed
from onboarding.services import logs
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.logs import LogFormat
from ownership_vouchers import cbor
from tests.support.attesting import attesting_device, measured
from tests.support.fdo_chain import Chain, joined
from tests.support.receiver import receiving
from tests.support.services import PASSPHRASE, Wire
from tests.support.soft_device import SoftDevice
from tests.support.visitor import Visitor

if TYPE_CHECKING:
    from hw.tpm import Tpm


def parsed(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def require_unsaid(logged: str, secrets: dict[str, str]) -> None:
    """Of an API key what stands behind its name and id is secret, of others all."""
    assert logged
    for name, secret in secrets.items():
        kept = secret.removeprefix("Bearer ").removeprefix("whsec_")
        kept = kept.split("_", 2)[2] if kept.startswith("vg_") else kept
        assert len(kept) > 12, name
        assert kept not in logged, name


def asked(chain: Chain, method: str, path: str, **kwargs: Any) -> Any:
    reply = chain.owner.call(chain.owner_key, method, path, **kwargs)
    assert reply.is_success, reply.text
    return reply.json()


def rotate(chain: Chain) -> None:
    store = KeyStore(chain.site.directory / "keys", PASSPHRASE)
    heir = store.create("heir", KeyKind.OWNER, KeyAlgorithm.P256)
    path = f"/keys/{chain.site.keys[KeyKind.OWNER].fingerprint}/rotate"
    told = {"reason": "a test", "successor": heir.fingerprint}
    asked(chain, "POST", path, json=told)


def lived_through(chain: Chain) -> dict[str, str]:
    """Do what has secrets; return them by what they are."""
    factory, owner = Wire.to(chain.factory.url), Wire.to(chain.owner.url)
    device = SoftDevice.made_at(factory)
    stranger = SoftDevice.made_at(Wire.to(chain.factory.url))
    with pytest.raises(PeerFailed):  # the owner never had its voucher
        stranger.onboard(Wire.to(chain.owner.url))
    assert chain.take(chain.sell(device)).status_code == 200
    device.onboard(owner)
    visitor = Visitor(chain.owner.url)
    assert visitor.login("vg_0000_a-key-that-is-none-at-all").status_code != 303
    visitor.login(chain.owner_key)
    cookies = {name: value for name, value in visitor.http.cookies.items()}
    assert cookies
    with receiving() as receiver:
        body = {"url": receiver.url, "causes": ["apikey"]}
        hook = asked(chain, "POST", "/webhooks", json=body)
        key = asked(chain, "POST", "/apikeys", json={"name": "n", "role": "operator"})
        receiver.next()
        again = asked(chain, "POST", f"/webhooks/{hook['id']}/rotate")
    rotate(chain)
    assert chain.owner.call(key["key"] + "x", "GET", "/devices").status_code == 401
    assert factory.token is not None
    assert owner.token is not None
    server_secret = (chain.site.directory / "keys/server.secret").read_bytes()
    return {
        "passphrase": PASSPHRASE.decode(),
        "factory key": chain.factory_key,
        "owner key": chain.owner_key,
        "new key": key["key"],
        "wrong key": "a-key-that-is-none-at-all",
        "webhook secret": hook["secret"],
        "second webhook secret": again["secret"],
        "DI token": factory.token,
        "TO2 token": owner.token,
        **{f"cookie {name}": value for name, value in cookies.items()},
        "server secret": server_secret.hex(),
    }


@pytest.mark.parametrize("form", LogFormat)
def test_no_secret_of_a_whole_life_is_logged_at_any_level(
    tmp_path: Path, form: LogFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOUCHGATE_WEBHOOK_NETWORKS", '["127.0.0.0/8"]')
    stream = io.StringIO()
    with logs.written(logging.DEBUG, form, "owner", stream):
        for chain in joined(tmp_path, KeyAlgorithm.P256):
            secrets = lived_through(chain)
    require_unsaid(stream.getvalue(), secrets)


def test_a_ticket_an_appraisal_and_a_release_leave_no_secret_behind(
    tmp_path: Path, keylime_stack: KeylimeStack, tpm: "Tpm"
) -> None:
    stream = io.StringIO()
    with (
        logs.written(logging.DEBUG, LogFormat.TEXT, "owner", stream),
        attesting_device(tmp_path, keylime_stack, measured(tpm)) as attesting,
    ):
        attesting.bench.assign()
        nonce = attesting.asked()["ticket"]
        attesting.attest()
        ticket = attesting.bench.ask()["ticket"]
    for secret in (nonce, ticket):
        found = secret if isinstance(secret, str) else cbor.encode(secret).hex()
        assert found not in stream.getvalue()


def test_a_refusal_names_the_device_its_run_and_the_request(tmp_path: Path) -> None:
    stream = io.StringIO()
    with logs.written(logging.DEBUG, LogFormat.JSON, "owner", stream):
        for chain in joined(tmp_path, KeyAlgorithm.P256):
            device = SoftDevice.made_at(Wire.to(chain.factory.url))
            guid = str(device.credential.guid)
            with pytest.raises(PeerFailed):
                device.onboard(Wire.to(chain.owner.url))
            headers = {"X-API-Key": chain.owner_key, "X-Request-Id": "mine-1"}
            path = f"/api/v1/devices/{guid}"
            answer = chain.owner.http.get(path, headers=headers)
            assert answer.status_code == 404
            assert answer.headers["X-Request-Id"] == "mine-1"
            forged = {**headers, "X-Request-Id": "no name\tat all"}
            other = chain.owner.http.get(path, headers=forged)
            assert len(other.headers["X-Request-Id"]) == 16
    found = parsed(stream)
    (hello,) = [one for one in found if "message 60 refused" in one["message"]]
    assert (hello["guid"], hello["protocol"]) == (guid, "TO2")
    (told,) = [one for one in found if one.get("request") == "mine-1"]
    assert told["guid"] == guid
    assert told["caller"].startswith("apikey:")
    assert told["message"].startswith(f"GET {path}: 404 in ")


def test_a_run_that_breaks_off_is_logged_by_the_id_that_its_trace_has(
    tmp_path: Path,
) -> None:
    stream = io.StringIO()
    with logs.written(logging.DEBUG, LogFormat.JSON, "owner", stream):
        for chain in joined(tmp_path, KeyAlgorithm.P256):
            device = chain.bought()
            forger = SoftDevice(new_soft_key(), device.mac, device.credential)
            with pytest.raises(PeerFailed):
                forger.onboard(Wire.to(chain.owner.url))
            traces = asked(chain, "GET", "/traces")["items"]
    guid = str(device.credential.guid)
    (run,) = [one["run"] for one in traces if one["protocol"] == "TO2"]
    found = parsed(stream)
    (proof,) = [one for one in found if "message 64 refused" in one["message"]]
    assert (proof["guid"], proof["protocol"], proof["run"]) == (guid, "TO2", run)
