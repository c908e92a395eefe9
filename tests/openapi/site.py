"""A service with something in it, and what Schemathesis is told of that. TEST KEYS."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.ek_bundle import EkBundle
from hw.public_area import UNEXPORTABLE, TpmaObject
from onboarding.services.api.fields import encode_bytes
from onboarding.services.key_store import KeyKind
from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from tests.support.ek_authority import TpmVendor, der
from tests.support.services import Running, Site
from tests.support.sold_vouchers import sold_to
from tests.support.tpm_statements import AES128, NULL, ecc_public

TAKEN, KNOWN = 4, 12  # vouchers that are in, and that may be imported

EK_ATTRIBUTES = int(UNEXPORTABLE | TpmaObject.RESTRICTED | TpmaObject.DECRYPT)
VENDOR = TpmVendor()
VENDORS = [one.public_bytes(Encoding.PEM).decode() for one in VENDOR.store]
BUNDLE = EkBundle.of("site", "1", map(der, VENDOR.store))
CRL = x509.load_der_x509_crl(VENDOR.root.crl()).public_bytes(Encoding.PEM).decode()
NOBODY = "00000000-0000-4000-8000-000000000000"
RUNTIME_POLICY = {
    "meta": {"version": 1, "generator": 2},
    "digests": {"/usr/bin/true": ["ab" * 32]},
    "excludes": ["/var/log/.*"],
}
PLANS: list[dict[str, Any]] = [
    {"module": "fdo.upload", "parameters": {"name": "/etc/machine-id"}},
    {"module": "fdo.command", "parameters": {"command": "true", "args": ["-v"]}},
    {"module": "fdo.wget", "parameters": {"url": "https://files.example/a"}},
    {"module": "fdo.download", "parameters": {"name": "motd", "text": "welcome"}},
]


@dataclass(frozen=True)
class Served:
    """A service to test, and the file that says what is in it."""

    service: Running
    key: str
    facts: Path


@contextmanager
def served(directory: Path, role: Service) -> Iterator[Served]:
    """One service of a role, with vouchers, for as long as the block lasts."""
    site = Site(directory)
    settings = site.settings(
        role, background=False, api_key_rate=0, api_source_rate=0, console=False
    )
    key = site.api_key(settings, Role.ADMIN)
    vouchers = sold_to(site, KNOWN)
    with site.serve(settings) as service:
        guids = _taken(service, key, vouchers[:TAKEN]) if _owns(role) else []
        if _owns(role):  # whose CRL can be taken then
            service.call(key, "POST", "/ek-roots", content="".join(VENDORS))
        facts = directory / "facts.json"
        facts.write_text(json.dumps(_facts(site, vouchers, guids)))
        yield Served(service, key, facts)


def _owns(role: Service) -> bool:
    return role.includes(Service.OWNER)


def _taken(service: Running, key: str, vouchers: list[str]) -> list[str]:
    """Import some vouchers; return their GUIDs."""
    reply = service.call(key, "POST", "/vouchers", content="".join(vouchers))
    assert reply.status_code == 200, reply.text
    return [one["guid"] for one in reply.json()["results"]]


def _facts(site: Site, vouchers: list[str], guids: list[str]) -> dict[str, Any]:
    keys = site.keys
    certificate = keys[KeyKind.DEVICE_CA].certificate_pem
    plans = [
        {"name": f"plan-{number}", "steps": [step]} for number, step in enumerate(PLANS)
    ]
    return {
        "guids": [*guids, NOBODY],
        "vouchers": vouchers,
        "public": [keys[kind].public_pem for kind in KeyKind],
        "certificates": [certificate],
        "ek_bundles": [BUNDLE.encode().decode()],
        "ek_crls": [CRL],
        "device_ca": certificate,
        "ours": [one.fingerprint for one in keys.values()],
        "plans": plans,
        "runtime_policies": [RUNTIME_POLICY],
        "passports": [_passport(guid) for guid in guids] or [_passport(NOBODY)],
    }


def _passport(guid: str) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    public = ecc_public(key, EK_ATTRIBUTES, AES128, NULL)
    return {
        "guid": guid,
        "serial": "SN-9",
        "profile": "generic-sbc-tpm",
        "ek_public": encode_bytes(public),
    }
