"""An example of each body that is no JSON, as the OpenAPI document shows it.

Text stands there as it is; bytes as a ``data:`` URI, in ``externalValue``: what JSON
cannot hold is referred to. Source: OpenAPI 3.1.1, section 4.8.19; RFC 2397.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from ownership_vouchers.pem import dump_pem
from ownership_vouchers.voucher import Voucher

Example = dict[str, Any]
_FILE = "specimens.json"  # made by tests/support/specimens.py

PEM = "application/x-pem-file"
TEXT = {PEM, "application/pkcs10"}
# By what a body is of, or the last part of the path of devices' routes.
REQUESTS: Mapping[str, str] = {
    "POST /api/v1/vouchers": "voucher",
    "POST /api/v1/keys/match": "voucher",
    "POST /api/v1/ek-crls": "ek_crls",
    "POST /api/v1/ek-trust/bundles": "ek_bundle",
}
ANSWERS: Mapping[str, str] = {
    "POST /api/v1/audit/checkpoints": "checkpoint",
    "GET /api/v1/audit/checkpoints/latest": "checkpoint",
    "GET /api/v1/device-ca/{name}/request": "device_ca_request",
    "GET /api/v1/vouchers/{guid}/pem": "voucher",
    "GET /api/v1/vouchers/{guid}/passport": "passport",
    "GET /api/v1/devices/{guid}/evidence-pack": "evidence_pack",
    "GET /api/v1/devices/{guid}/deliveries/{run}/{position}": "upload",
}
_DEVICE = "POST /device/v1/"


@cache
def specimens() -> Mapping[str, bytes]:
    """Return each body by its name; ``signer`` is the key of those that are signed."""
    text = files(__package__).joinpath(_FILE).read_text()
    return {name: b64decode(data) for name, data in json.loads(text).items()}


def of_request(route: str, kind: str) -> Example | None:
    """The example of a body that a route takes; None if it has one, or needs none."""
    return _example(REQUESTS.get(route) or _of_device(route, "request"), kind)


def of_answer(route: str, kind: str) -> Example | None:
    """Likewise of a body that a route answers with."""
    return _example(ANSWERS.get(route) or _of_device(route, "answer"), kind)


def _of_device(route: str, what: str) -> str | None:
    if not route.startswith(_DEVICE):
        return None
    return f"{route.removeprefix(_DEVICE).replace('/', '_')}_{what}"


def _example(name: str | None, kind: str) -> Example | None:
    data = specimens().get(name or "")
    if data is None or kind == "application/json":
        return None
    if name == "voucher" and kind == PEM:
        data = dump_pem(Voucher.from_cbor(data)).encode()
    if kind in TEXT:
        return {"value": data.decode("ascii")}
    return {"externalValue": f"data:{kind};base64,{b64encode(data).decode()}"}
