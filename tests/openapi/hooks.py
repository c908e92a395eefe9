"""What a JSON Schema cannot say, said to Schemathesis: formats, and real things.

Loaded by Schemathesis. A case that is meant to be refused is left as it is.
"""

import json
import os
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, HookContext, SerializationContext
from schemathesis.core.parameters import ParameterLocation

SITE: dict[str, Any] = json.loads(Path(os.environ["OPENAPI_SITE"]).read_text())


def _one(values: list[Any], seed: object) -> Any:
    """One of ``values``, the same for the same seed: a case can be repeated."""
    return values[zlib.crc32(repr(seed).encode()) % len(values)]


def _formats() -> None:
    nets = st.ip_addresses(v=4).map(lambda one: f"{one}/32")
    printable = st.text(min_size=1, max_size=255).filter(str.isprintable)
    schemathesis.openapi.format("pem-public-key", st.sampled_from(SITE["public"]))
    certificates = st.sampled_from(SITE["certificates"])
    schemathesis.openapi.format("pem-certificates", certificates)
    schemathesis.openapi.format("ip-network", nets)
    schemathesis.openapi.format("printable", printable)


_formats()


@schemathesis.serializer(
    "application/x-pem-file", "application/cbor", "application/cose"
)
def as_it_is(_ctx: SerializationContext, value: Any) -> bytes:
    """Text or bytes, sent as they are."""
    return value if isinstance(value, bytes) else str(value).encode()


# Documents in languages of their own: what may stand in one is no schema's to say.
BODIES: dict[str, list[Any]] = {
    "POST /api/v1/ek-crls": SITE["ek_crls"],
    "POST /api/v1/ek-roots": SITE["certificates"],
    "POST /api/v1/ek-trust/bundles": SITE["ek_bundles"],
    "POST /api/v1/keys/match": SITE["vouchers"],
    "POST /api/v1/runtime-policies": SITE["runtime_policies"],
    "POST /api/v1/service-info/plans": SITE["plans"],
    "POST /api/v1/vouchers": SITE["vouchers"],
    "PUT /api/v1/device-ca/{name}/chain": [{"chain_pem": SITE["device_ca"]}],
    "POST /api/v1/passports": SITE["passports"],
}
_ONCE = "Idempotency-Key"
NAMES: dict[str, list[str]] = {"guid": SITE["guids"]}


def _boots(body: Any) -> Any:
    """Boots cover the same PCRs, and no PCR is held to its value as well."""
    if isinstance(body, dict) and isinstance(body.get("measured_boot"), dict):
        boots = body["measured_boot"]["boots"][:1]
        return {**body, "measured_boot": {"boots": boots}, "pcrs": {}}
    return body


def _named_once(body: Any) -> Any:
    """A device's name stands once."""
    if isinstance(body, dict) and isinstance(body.get("devices"), list):
        once = {one["name"]: one for one in body["devices"]}
        return {**body, "devices": list(once.values())}
    return body


def _rule(case: Case[Any]) -> Any:
    """A manufacturer's key can only be denied."""
    holder = (case.path_parameters or {}).get("holder")
    if holder == "manufacturer" and isinstance(case.body, dict):
        return {**case.body, "verdict": "deny", "quota": None}
    return case.body


def _limited(body: Any) -> Any:
    """Only some roles' keys can be limited, and each by one thing."""
    if not isinstance(body, dict):
        return body
    kept = {"manufacturer": "lines", "operator": "labels", "security": "labels"}
    fitting = kept.get(body.get("role", ""))
    return {k: v for k, v in body.items() if k not in {"labels", "lines"} - {fitting}}


ALTERED: dict[str, Callable[[Case[Any]], Any]] = {
    "POST /api/v1/apikeys": lambda case: _limited(case.body),
    "POST /api/v1/device-keys": lambda case: _named_once(case.body),
    "POST /api/v1/policies": lambda case: _boots(case.body),
    "PUT /api/v1/key-rules/{holder}/{fingerprint}": _rule,
}


@schemathesis.hook
def map_case(ctx: HookContext, case: Case[Any]) -> Case[Any]:
    """Have a good case speak of things that are there, half of the time."""
    label = case.operation.label
    if _good(case, ParameterLocation.HEADER) and _ONCE in case.headers:
        case.headers[_ONCE] = str(uuid.uuid4())  # another request, another name
    if _good(case, ParameterLocation.PATH):
        known = {name: NAMES[name] for name in case.path_parameters if name in NAMES}
        for name, values in known.items():
            if zlib.crc32(repr(case.path_parameters).encode()) % 2:
                case.path_parameters[name] = _one(values, case.path_parameters)
    if _good(case, ParameterLocation.BODY):
        if label in BODIES:
            case.body = _one(BODIES[label], case.body)
        elif label in ALTERED:
            case.body = ALTERED[label](case)
    return case


@schemathesis.hook
def filter_case(ctx: HookContext, case: Case[Any]) -> bool:
    """A device is named by one of two parameters: OpenAPI has no word for that.

    And a service whose keys a case has revoked would serve none of the others.
    """
    if case.operation.path.startswith("/api/v1/keys/{fingerprint}/"):
        return (case.path_parameters or {}).get("fingerprint") not in SITE["ours"]
    if case.operation.path != "/api/v1/diagnosis":
        return True
    given = case.query or {}
    return ("guid" in given) != ("serial" in given)


def _good(case: Case[Any], where: ParameterLocation) -> bool:
    return case.meta is not None and not case.meta.is_negative_at(where)
