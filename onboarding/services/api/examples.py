"""An example for each body that can be written down, as the OpenAPI document shows it.

Tests send every one of them.
"""

from typing import Any

from onboarding.services.api.specimens import of_request

GUID = "0d1a7c4e-6f0b-4c7e-9a53-7c1f2a9b6e10"
FINGERPRINT = "4f9b2d6c" * 8
PCR = "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969"

PUBLIC_KEY = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEt9EzzbZYE4Cu3ql7vCCev2602zlk
qbwWn/duxtil0bhBe0JRDnP4HYYPI5qCP+DlKnEgHxtM2rWDcoH6YSbpng==
-----END PUBLIC KEY-----
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBLTCB1KADAgECAgEBMAoGCCqGSM49BAMCMBUxEzARBgNVBAMMCkV4YW1wbGUg
Q0EwIBcNMjYwMTAxMDAwMDAwWhgPMjA1NjAxMDEwMDAwMDBaMBUxEzARBgNVBAMM
CkV4YW1wbGUgQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS30TPNtlgTgK7e
qXu8IJ6/brTbOWSpvBaf927G2KXRuEF7QlEOc/gdhg8jmoI/4OUqcSAfG0zatYNy
gfphJumeoxMwETAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIHqa
N/gOP//AyE0Ik6TfeFLrvp+Gz9ZWyjd3irMLU9AsAiEAmfNsCwEu+a+l3uaYx2A/
dnfcetJYMnnkIyKpFt1/rAI=
-----END CERTIFICATE-----
"""
# Cut off where it is one member among others: a whole one is some kilobytes.
VOUCHER = """\
-----BEGIN OWNERSHIP VOUCHER-----
hRhlWOyGGGVQDRp8Tm8LTH6aU3wfKptuEIGEggVqcnYuZXhhbXBsZYIMAYICRQA
-----END OWNERSHIP VOUCHER-----
"""
# TPM2B_PUBLIC of an endorsement key over P-256.
EK_PUBLIC = (
    "AFoAIwALAAMAMgAAAAYAgABDABAAAwAQACCk4zch4wh9dR5oQWEhRHhaANOyGRZKtK"
    "0pb3DWsI2D8wAgG0iOxRYljwqSln6RfENfM9RK1JWNNusiyEG2w6540aA"
)

_BUYER: dict[str, Any] = {"next_owner_pem": PUBLIC_KEY}

EXAMPLES: dict[str, Any] = {
    "POST /apikeys": {"name": "importer", "role": "operator", "expires_in": 7776000},
    "PUT /devices/{guid}/assignment": {"manifest": "gateway", "version": 3},
    "PUT /devices/{guid}/freeze": {"frozen": True, "reason": "under repair"},
    "PUT /devices/{guid}/labels": {"labels": {"site": "north", "line": "7"}},
    "PUT /devices/{guid}/policy": {"policy": "gateway-boot", "version": 2},
    "PUT /devices/{guid}/service-info": {"plan": "first-boot"},
    "POST /devices/{guid}/retire": {"reason": "scrapped"},
    "POST /devices/{guid}/withdraw": {"reason": "moved to another site"},
    "PUT /device-ca/{name}/chain": {"chain_pem": CERTIFICATE},
    "POST /device-keys": {"devices": [{"name": "SN-0042", "pem": PUBLIC_KEY}]},
    "POST /device/v1/challenge": {"guid": GUID},
    "PUT /devices/{guid}/agent": {"ek_digest": "0" * 64},
    "POST /keylime/drift/mend": {"strangers": False},
    "PUT /lines/{name}": {
        "networks": ["192.0.2.0/24"],
        "directives": [{"dns": "rv.example", "protocol": "https"}],
        "same_serial": "alarm",
    },
    "POST /lines/{name}/stations": {"name": "bench 1"},
    "POST /made/settle": {"serial": "SN-0042"},
    "POST /ek-refusals": {"ek_digest": FINGERPRINT, "reason": "the chip was lost"},
    "POST /ek-acceptances": {"ek_digest": FINGERPRINT, "reason": "read at the bench"},
    "POST /ek-roots": CERTIFICATE,
    "POST /keys/{fingerprint}/rotate": {
        "reason": "yearly",
        "successor": FINGERPRINT,
    },
    "POST /keys/{fingerprint}/retire": {"reason": "rotated", "accept_loss": False},
    "POST /keys/{fingerprint}/revoke": {"reason": "its token was stolen"},
    "POST /keys/{fingerprint}/reinstate": {"reason": "the token was found"},
    "POST /manifests": {
        "name": "gateway",
        "version": 3,
        "kind": "quadlet",
        "files": [
            {
                "path": "gateway.container",
                "text": "[Container]\nImage=registry.example/gateway:3\n",
            }
        ],
    },
    "POST /passports": {
        "guid": GUID,
        "serial": "SN-0042",
        "profile": "generic-sbc-tpm",
        "ek_public": EK_PUBLIC,
        "ek_certificate": None,
    },
    "POST /policies": {
        "kind": "attestation",
        "name": "gateway-boot",
        "bank": "sha256",
        "pcrs": {"7": [PCR]},
        "lease_seconds": 900,
    },
    "PUT /cohorts/{name}": {
        "labels": {"site": "north"},
        "policy": "gateway-boot",
        "version": 2,
    },
    "POST /cohorts/{name}/enforce": {"preview": FINGERPRINT},
    "POST /cohorts/{name}/update": {
        "version": 3,
        "image": FINGERPRINT,
        "seconds": 86400,
    },
    "POST /runtime-policies": {
        "meta": {"version": 5, "generator": 2},
        "digests": {"/usr/bin/true": [PCR]},
        "excludes": ["/var/log/.*"],
    },
    "POST /service-info/files": "welcome\n",
    "POST /service-info/plans": {
        "name": "first-boot",
        "steps": [{"module": "fdo.upload", "parameters": {"name": "/etc/machine-id"}}],
    },
    "PUT /service-info/rules": {"labels": {"site": "north"}, "plan": "first-boot"},
    "PUT /key-rules/{holder}/{fingerprint}": {
        "verdict": "deny",
        "reason": "reported stolen",
    },
    "POST /rendezvous-servers/reset": {"server": "https://rv.example:443"},
    "PUT /rvinfo": {"directives": [{"dns": "rv.example", "protocol": "https"}]},
    "PUT /to2-address": {
        "addresses": [{"dns": "owner.example", "port": 443, "protocol": "https"}]
    },
    "PUT /trust": {"manufacturers": [FINGERPRINT], "device_cas_pem": CERTIFICATE},
    "POST /vouchers/extend": {**_BUYER, "all": True},
    "POST /vouchers/{guid}/extend": _BUYER,
    "POST /vouchers/{guid}/resell": _BUYER,
    "POST /webhooks": {
        "url": "https://siem.example/vouchgate",
        "causes": ["release", "voucher.refused"],
    },
    "PUT /vouchers/{guid}/credential": {"mode": "reuse"},
}


def illustrate(method: str, path: str, operation: dict[str, Any]) -> None:
    """Put the example of a route, if there is one, into what OpenAPI says of it."""
    route = f"{method.upper()} {path}"
    name = route.replace(" /api/v1", " ")
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        shown = of_request(route, kind)
        if name in EXAMPLES:
            shown = {"value": EXAMPLES[name]}
        if shown is not None:
            media["examples"] = {"one": shown}
