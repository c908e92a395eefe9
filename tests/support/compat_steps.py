"""The steps of ``compat_seen`` by role: what its scripts send, and mistakes of them."""

import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.compat_seen import JSON, PEM, TEXT, Step, gone, refused

NOBODY = "00" * 16
UNKNOWN = "ab" * 32

V1, V2, LIST = "/api/v1/rvinfo", "/api/v2/rvinfo", "/api/v1/vouchers"
REDIRECT, SOLD = "/api/v1/owner/redirect", f"/api/v1/owner/resell/{NOBODY}"
DEVICES, TAKEN, CAS = (
    "/api/v1/owner/devices",
    "/api/v1/owner/vouchers",
    "/api/v1/device-ca",
)
ONE = [{"dns": "rv.example.com", "ip": "127.0.0.1", "protocol": "http"}]
ONE[0] |= {"device_port": "8041", "owner_port": "8041"}
WHOLE = {
    "dns": "a",
    "ip": "::1",
    "protocol": "coap+tcp",
    "medium": "eth_all",
    "wifi_ssid": "s",
    "wifi_pw": "p",
    "dev_only": True,
    "rv_bypass": True,
    "delay_seconds": 0,
    "sv_cert_hash": "ab" * 32,
    "cl_cert_hash": "cd" * 48,
    "user_input": "true",
}
TWO = [[{"dns": "a.example"}, {"protocol": "http"}, {"owner_port": 8080}]]
MORE = [[*TWO[0], {"user_input": True}, {"ext_rv": ["x", "y"]}, {"medium": "wifi_all"}]]
MORE_V1 = [
    {
        "dns": "a.example",
        "protocol": "http",
        "owner_port": "8080",
        "user_input": "true",
        "ext_rv": '["x","y"]',
        "medium": "wifi_all",
    }
]
HEALTH = [
    Step("GET", "/health"),
    Step("HEAD", "/health"),
    *gone("/health", "POST"),
    Step("GET", "/health/", status=404, kind=TEXT),
    Step("GET", "/api/v1/nothing", status=404, kind=TEXT),
    Step("GET", "/api/v2/nothing", status=404, kind=TEXT),
]
FACTORY = [
    *HEALTH,
    Step("GET", V1, status=404, kind=TEXT),
    Step("PUT", V1, json.dumps(ONE), 404, TEXT),
    *gone(V1, "DELETE", "PATCH"),
    *refused("POST", V1, "none", "", "{}", '[{"protocol":"http"}]'),
    *refused(
        "POST", V1, '[{"dns":"a","protocol":"ftp"}]', '[{"dns":"a","ip":"300.1"}]'
    ),
    *refused("POST", V1, '[{"dns":"a","device_port":"65536"}]'),
    *refused("POST", V1, '[{"dns":"a","device_port":"0"}]'),
    *refused("POST", V1, '[{"dns":"a","medium":"wired_1"}]'),
    *refused("POST", V1, '[{"dns":"a","delay_seconds":-1}]'),
    *refused("POST", V1, '[{"dns":"a","rv_bypass":"true"}]'),
    *refused("POST", V1, '[{"dns":"a","sv_cert_hash":"zz"}]'),
    Step("GET", V2, said=[]),
    Step("DELETE", V2, said=[]),
    Step("POST", V1, json.dumps(ONE), 201, said=ONE),
    Step("POST", V1, json.dumps(ONE), 409, TEXT),
    Step("GET", V1, said=ONE),
    Step("GET", f"{V1}/", status=404, kind=TEXT),
    Step("PUT", V1, '[{"dns":"a","hello":"x"}]', ours=400),
    Step("PUT", V1, '[{"DNS":"a","Device_Port":"80"}]', ours=400),
    Step("PUT", V1, '[{"dns":"a","sv_cert_hash":"abcd"}]', ours=400),
    Step("PUT", V1, json.dumps([WHOLE]), said=[WHOLE]),
    Step("GET", V1, said=[WHOLE]),
    Step("PUT", V1, json.dumps(ONE)),
    Step("PUT", V2, json.dumps(TWO), said=TWO),
    Step("GET", V2, said=TWO),
    Step("PUT", V2, '[[{"dns":"a"},{"owner_port":"8080"}]]', 400),
    Step("PUT", V2, '[[{"dns":"a","protocol":"http"}]]', 400),
    Step("PUT", V2, '[[{"dns":"a"},{"dev_only":false}]]', 400),
    Step("PUT", V2, '[[{"dns":"a"},{"what":1}]]', 400),
    Step("PUT", V2, '[[{"dns":"a"},{"dns":"b"}]]', ours=400),
    *gone(V2, "POST"),
    Step("PUT", V2, json.dumps(MORE), said=MORE),
    Step("GET", V2, said=MORE),
    Step("GET", V1, said=MORE_V1),
    Step("DELETE", V2, said=MORE),
    Step("GET", V1, status=404, kind=TEXT),
    Step("GET", LIST, said=[]),
    Step("GET", f"{LIST}?guid={NOBODY}", said=[]),
    Step("GET", f"{LIST}?guid=zz", status=400, kind=TEXT),
    Step("GET", f"{LIST}/{NOBODY}", status=404, kind=TEXT),
    Step("GET", f"{LIST}/zz", status=400, kind=TEXT),
    *gone(LIST, "POST", "DELETE"),
]
SENT = [{"dns": "o.example", "ip": "", "port": "8043", "protocol": "http"}]
OTHER = [{"dns": "", "ip": "10.0.0.1", "port": "8043", "protocol": "https"}]
BROKEN = "-----BEGIN OWNERSHIP VOUCHER-----\nAAAA\n-----END OWNERSHIP VOUCHER-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
OWNER = [
    *HEALTH,
    Step("GET", REDIRECT, status=404, kind=TEXT),
    Step("PUT", REDIRECT, json.dumps(SENT), 404, TEXT),
    Step("POST", REDIRECT, json.dumps(SENT), 201, said=SENT),
    Step("POST", REDIRECT, json.dumps(SENT), 409, TEXT),
    Step("GET", REDIRECT, said=SENT),
    *refused("PUT", REDIRECT, "none", '[{"port":"80"}]'),
    *refused("PUT", REDIRECT, '[{"dns":"o.example","port":"80","protocol":"ftp"}]'),
    Step("PUT", REDIRECT, "[]", ours=400),
    Step("PUT", REDIRECT, '[{"dns":"o.example"}]', ours=400),
    Step("PUT", REDIRECT, json.dumps([SENT[0] | {"x": 1}]), ours=400),
    Step("PUT", REDIRECT, json.dumps(OTHER), said=OTHER),
    Step("GET", REDIRECT, said=OTHER),
    *gone(REDIRECT, "DELETE"),
    Step("GET", TAKEN, status=405, kind=TEXT, ours=200),
    Step("GET", f"{TAKEN}/{NOBODY}", status=404, kind=TEXT),
    *refused("POST", TAKEN, "none", BROKEN),
    Step("POST", TAKEN, "", kind=TEXT, ours=400),
    Step("POST", TAKEN, CERTIFICATE, kind=TEXT, ours=400),
    Step("GET", DEVICES),
    Step("GET", f"{DEVICES}?old_guid=zz", status=400, kind=TEXT),
    *gone(DEVICES, "POST"),
    Step("POST", SOLD, "none", 500, TEXT, ours=404),
    *refused("POST", "/api/v1/owner/resell/zz", "none"),
    *gone(SOLD, "GET"),
    Step("GET", CAS, status=404, kind=TEXT, ours=200),
]


def rendezvous(first: str, second: str, old: str, print_of: str) -> list[Step]:
    """Steps with three certificates, the third expired; the first's fingerprint."""
    more_json, more_pem = f"{PEM};q=0.1, {JSON};q=0.9", f"{JSON};q=0.1, {PEM};q=0.9"
    return [
        *HEALTH,
        Step("GET", CAS, said={"certs": [], "limit": 20, "offset": 0, "total": 0}),
        Step("GET", CAS, kind=PEM, accept=PEM),
        Step("GET", CAS, accept="text/html"),
        Step("POST", CAS, "none", said=COUNTED, ours=400),
        Step("POST", CAS, first),
        Step("POST", CAS, first, said=COUNTED | told("Device CA", "already exists")),
        Step("POST", CAS, old, said=COUNTED | told("Old CA", "is expired")),
        Step("POST", CAS, f"# a word\n{CERTIFICATE}{second}"),
        *(
            Step("GET", f"{CAS}?{query}")
            for query in ("limit=0", "limit=1000", "sortBy=notAfter&sortOrder=desc")
        ),
        Step("GET", f"{CAS}?limit=x", status=400, kind=TEXT, ours=400),
        Step("GET", f"{CAS}?sortBy=nothing", ours=400),
        *(
            Step("GET", f"{CAS}?{query}", said=NONE_OF_THEM)
            for query in ("search=nobody", "subject=nobody", "validityStatus=expired")
        ),
        Step("GET", CAS, kind=PEM, accept=more_pem),
        Step("GET", CAS, accept=more_json),
        Step("GET", f"{CAS}/{print_of}"),
        Step("GET", f"{CAS}/{print_of}", kind=PEM, accept=more_pem),
        Step("GET", f"{CAS}/{UNKNOWN}", status=404),
        Step("GET", f"{CAS}/zz", status=404),
        Step("DELETE", f"{CAS}/zz", status=404),
        Step("DELETE", f"{CAS}/{print_of}", status=204, kind=""),
        Step("DELETE", f"{CAS}/{print_of}", status=404),
        *gone(CAS, "PUT"),
    ]


NONE_OF_THEM = {"certs": [], "limit": 20, "offset": 0, "total": 0}
COUNTED: dict[str, object] = {
    "certs": [],
    "detected": 0,
    "imported": 0,
    "malformed": 0,
    "messages": [],
    "skipped": 0,
}


def told(who: str, why: str) -> dict[str, object]:
    """What is said of one certificate that was not taken."""
    place = f"the certificate at position 1 with subject 'CN={who},O=FDO,C=US'"
    words = f"{place} was skipped because it {why}"
    return {"detected": 1, "skipped": 1, "messages": [words]}


def authority(called: str, *, old: bool = False) -> x509.Certificate:
    """A device CA; an old one ran out yesterday."""
    key = ec.generate_private_key(ec.SECP256R1())
    parts = (
        (NameOID.COUNTRY_NAME, "US"),
        (NameOID.ORGANIZATION_NAME, "FDO"),
        (NameOID.COMMON_NAME, called),
    )
    name = x509.Name([x509.NameAttribute(*one) for one in parts])
    day = timedelta(days=1)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 9 * day)
        .not_valid_after(now - day if old else now + 9 * day)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return builder.sign(key, hashes.SHA256())


def rendezvous_steps() -> list[Step]:
    """Those of rendezvous, with new certificates."""
    made = (authority("Device CA"), authority("New CA"), authority("Old CA", old=True))
    first, second, old = (one.public_bytes(Encoding.PEM).decode() for one in made)
    return rendezvous(first, second, old, made[0].fingerprint(hashes.SHA256()).hex())
