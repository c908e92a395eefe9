"""fido-device-onboard-rs: its device, servers and owner's tool, by their programs.

No registry has them. ``VOUCHGATE_FDO_RS`` names the directory of the programs, built
from its source. Its device knows P-384 alone, and reads its key from a file.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.support.interop.programs import Ran, run, serving

PROGRAMS = os.environ.get("VOUCHGATE_FDO_RS", "")
_NUMBERS = count(1)


def program(name: str) -> Path:
    """Skips where there is none."""
    found = Path(PROGRAMS) / name
    if not PROGRAMS or not found.is_file():
        pytest.skip(f"VOUCHGATE_FDO_RS names no directory with {name} in it")
    return found


def der_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.DER, form, NoEncryption())


@dataclass(frozen=True)
class RsDevice:
    """One device, with a TEST KEY of its own."""

    directory: Path
    serial: str
    public_pem: str

    @classmethod
    def new(cls, directory: Path) -> "RsDevice":
        program("fdo-manufacturing-client")
        key = ec.generate_private_key(ec.SECP384R1())
        (directory / "key.der").write_bytes(der_of(key))
        (directory / "hmac").write_bytes(os.urandom(48))
        form = PublicFormat.SubjectPublicKeyInfo
        public = key.public_key().public_bytes(Encoding.PEM, form)
        return cls(directory, f"RS-{next(_NUMBERS):04d}", public.decode())

    @property
    def credential(self) -> Path:
        return self.directory / "credential"

    def initialise(self, url: str) -> Ran:
        """Run DI, the plain one: the factory knows its key already."""
        return self._run(
            "fdo-manufacturing-client",
            USE_PLAIN_DI="true",
            MANUFACTURING_SERVER_URL=url,
            MANUFACTURING_INFO=self.serial,
            DI_KEY_STORAGE_TYPE="filesystem",
            DI_SIGN_KEY_PATH=str(self.directory / "key.der"),
            DI_HMAC_KEY_PATH=str(self.directory / "hmac"),
            DEVICE_CREDENTIAL_FILENAME=str(self.credential),
        )

    def onboard(self) -> Ran:
        """Run TO1 and TO2, until they end or first fail."""
        return self._run(
            "fdo-client-linuxapp",
            DEVICE_CREDENTIAL=str(self.credential),
            DEVICE_ONBOARDING_EXECUTED_MARKER_FILE_PATH=str(self.directory / "done"),
        )

    def _run(self, name: str, **environment: str) -> Ran:
        said = {"LOG_LEVEL": "trace", **environment}
        words = [f"{key}={value}" for key, value in said.items()]
        command = ["env", *words, str(program(name))]
        return run(command, self.directory, stop_at=["ERROR"])


@dataclass(frozen=True)
class RsServer:
    """A server of its own."""

    url: str
    directory: Path

    @property
    def said(self) -> str:
        return (self.directory / "log").read_text(errors="replace")


@contextmanager
def rs_rendezvous(
    directory: Path, maker_pem: str, device_ca_pem: str
) -> Iterator[RsServer]:
    """Its rendezvous server; it trusts that manufacturer's certificate and that CA."""
    files = {"maker.pem": maker_pem.encode(), "ca.pem": device_ca_pem.encode()}
    settings = {
        "storage_driver": {"Directory": {"path": str(directory / "registered")}},
        "trusted_manufacturer_keys_path": str(directory / "maker.pem"),
        "trusted_device_keys_path": str(directory / "ca.pem"),
        "max_wait_seconds": None,
    }
    (directory / "registered").mkdir(parents=True)
    with _serving("rendezvous-server", directory, files, settings) as server:
        yield server


@contextmanager
def rs_owner(
    directory: Path, device_ca_pem: str, vouchers: Mapping[str, bytes]
) -> Iterator[RsServer]:
    """Its owner, of vouchers by GUID, for the key in ``owner.der`` of the directory.

    It has each device make the file ``ran`` there.
    """
    held = directory / "vouchers"
    held.mkdir()
    for guid, raw in vouchers.items():
        (held / guid).write_bytes(raw)
    address = _address()
    host, _, port = address.partition(":")
    information = {
        "bind": _address(),
        "device_specific_store_driver": {"Directory": {"path": str(directory)}},
        "service_info_auth_token": "TEST TOKEN",
        "admin_auth_token": "TEST TOKEN OF ADMIN",
        "service_info": {
            "commands": [{"command": "touch", "args": [str(directory / "ran")]}],
            "initial_user": None,
            "files": None,
            "diskencryption_clevis": None,
            "additional_serviceinfo": None,
            "after_onboarding_reboot": False,
        },
    }
    token = {"BearerToken": {"token": "TEST TOKEN"}}
    where = {"transport": "HTTP", "addresses": [{"ip_address": host}]}
    settings = {
        "ownership_voucher_store_driver": {"Directory": {"path": str(held)}},
        "trusted_device_keys_path": str(directory / "ca.pem"),
        "owner_private_key_path": str(directory / "owner.der"),
        "owner_public_key_path": str(directory / "owner.pem"),
        "owner_addresses": [{**where, "port": int(port)}],
        "report_to_rendezvous_endpoint_enabled": True,
        "service_info_api_authentication": token,
    }
    files = {"ca.pem": device_ca_pem.encode()}
    with (
        _serving(
            "serviceinfo-api-server", directory / "information", {}, information
        ) as api,
        _serving(
            "owner-onboarding-server",
            directory,
            files,
            {**settings, "service_info_api_url": f"{api.url}/device_info"},
            address,
        ) as server,
    ):
        yield server


@contextmanager
def _serving(
    name: str,
    directory: Path,
    files: Mapping[str, bytes],
    settings: Mapping[str, object],
    address: str = "",
) -> Iterator[RsServer]:
    (directory / "sessions").mkdir(parents=True)
    for file, content in files.items():
        (directory / file).write_bytes(content)
    address = address or _address()
    sessions = {"Directory": {"path": str(directory / "sessions")}}
    whole = {"session_store_driver": sessions, "bind": address, **settings}
    chosen = str(whole["bind"])
    (directory / "settings.yml").write_text(json.dumps(whole))
    variable = f"{name.upper().replace('-', '_')}_CONF"
    environment = {"LOG_LEVEL": "trace", variable: str(directory / "settings.yml")}

    def ready() -> bool:
        host, _, port = chosen.partition(":")
        with suppress(OSError), socket.create_connection((host, int(port))):
            return True
        return False

    command = [str(program(f"fdo-{name}"))]
    with serving(command, directory, ready, environment):
        yield RsServer(f"http://{chosen}", directory)


def _address() -> str:
    """An address on loopback that is this process's own, and a port that is free there.

    Its servers do not say which port they were given.
    """
    host = f"127.{os.getpid() >> 16 & 63 | 64}.{os.getpid() >> 8 & 255}"
    host = f"{host}.{os.getpid() & 255}"
    with socket.create_server((host, 0)) as probe:
        return f"{host}:{probe.getsockname()[1]}"


@dataclass(frozen=True)
class Tool:
    """Its owner's tool, on a voucher in a file."""

    voucher: Path

    def dump(self) -> Ran:
        return self._run("dump-ownership-voucher", str(self.voucher))

    def extend(self, key: Path, buyer: Path) -> Ran:
        """Sign it over: a private key as DER, the buyer's certificate as PEM."""
        keys = ["--current-owner-private-key", str(key), "--new-owner-cert", str(buyer)]
        return self._run("extend-ownership-voucher", str(self.voucher), *keys)

    def _run(self, *words: str) -> Ran:
        return run([str(program("fdo-owner-tool")), *words], self.voucher.parent)
