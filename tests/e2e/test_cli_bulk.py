"""Imports that take more than one request, against a real service."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from onboarding.cli.app import run
from onboarding.store.apikeys import Role
from tests.support.api_bench import Api

pytest_plugins = ["tests.support.service_fixtures"]

Capture = pytest.CaptureFixture[str]


def new_key() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(Encoding.PEM, form).decode()


def test_more_device_keys_than_one_request_takes_are_laid_down(
    api: Api, tmp_path: Path, capsys: Capture
) -> None:
    file, key = tmp_path / "keys.json", tmp_path / "factory"
    key.write_text(api.keys[Role.MANUFACTURER])
    listed = [{"name": f"D-{n}", "pem": new_key()} for n in range(1001)]
    file.write_text(json.dumps(listed))
    there = ["--url", api.service.url, "--api-key-file", str(key), "--json"]
    asked = ["device-key", "import", str(file), *there]
    assert run(asked) == 0
    assert json.loads(capsys.readouterr().out) == {"stored": 1001}
    file.write_text(json.dumps([*listed[:500], {"name": "X", "pem": "no key"}]))
    assert run(asked) == 1
    assert "500 of 501 were done before" in json.loads(capsys.readouterr().out)["error"]
