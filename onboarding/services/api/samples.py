"""An example of each answer, made from its schema and what its members are called."""

from collections.abc import Mapping
from typing import Any

from onboarding.services.api.examples import (
    CERTIFICATE,
    FINGERPRINT,
    GUID,
    PUBLIC_KEY,
    VOUCHER,
)

UNSAID = "…"  # of a string that nobody gave an example of; a test looks for it
AT = 1_798_761_600
_DIRECTIVE = {"dns": "rv.example", "protocol": "https"}
_WHO = "apikey:6f1d"

# By what a member is called; by its schema and name where one word has two meanings.
WORDS: Mapping[str, Any] = {
    **dict.fromkeys(("actor", "by", "accepted_by", "added_by", "asked_by"), _WHO),
    **dict.fromkeys(("assigned_by", "changed_by", "closed_by", "created_by"), _WHO),
    **dict.fromkeys(("opened_by", "refused_by", "set_by", "updated_by"), _WHO),
    "advice": "owner can take it",
    "ak_alg": "ecdsa",
    "alarm": "same-serial",
    "algorithm": "P-256",
    "bank": "sha256",
    "because": "of the rule for all",
    "binding": "tpm-bound",
    "bundle": "vendors",
    "cannot_show": "what runs after the boot",
    "cause": "device.imported",
    "causes": "release",
    "cbor_hex": "818282016a72762e6578616d706c65",
    "certificate_pem": CERTIFICATE,
    "changes": "pcrs.7: one more value",
    "channel": "evidence",
    "check": "entry_signature",
    "circuit": "closed",
    "class": "tpm-bound",
    "code": "no-appraisal",
    "cohort": "north",
    "cohorts": "north",
    "compared": "pcr:sha256:7",
    "context": "sha256 PCR 7",
    "counts": {"passing": 3},
    "credential": "reused",
    "custody": "file",
    "decision": "4b1f",
    "detail": "the header MAC does not fit",
    "EventOut.detail": {"owner_fingerprint": FINGERPRINT},
    "device_ca": "device-ca",
    "device_cas_pem": CERTIFICATE,
    "device_info": "gateway",
    "directives": _DIRECTIVE,
    "dns": "rv.example",
    "done": "planned",
    "ek_class": "vendor-trusted",
    "ek_reasons": "its chain ends in Example CA",
    "error": "connection refused",
    "etag": '"9f86d081884c7d659a2feaa0c55ad015"',
    "failures": "PCR 7 differs",
    "firmware": "0000000000010001",
    "hold": "waiting",
    "holder": "owner",
    "holdings": {"waiting": 2, "onboarded": 40},
    "id": "6f1d0c2b9a7e4f31",
    "identity_cas_pem": CERTIFICATE,
    "insecure": "insecure_http",
    "inventory": {"model": "SBC 4", "cpus": 4},
    "ip": "192.0.2.7",
    "issuer": "CN=Example CA",
    "key": "vg_0000000000000000_shown_once",
    "NewStationOut.key": "vgl_shown_once",
    "key_type": "SECP256R1",
    "keylime": "ok",
    "kind": "attestation",
    "KeyOut.kind": "owner",
    "ManifestOut.kind": "quadlet",
    "labels": {"site": "north"},
    "level": "measured",
    "line": "line-7",
    "lines": "line-7",
    "manifest": "gateway",
    "manufacturer_key": "manufacturer",
    "message": "PCR 7 differs",
    "mode": "observe",
    "CredentialOut.mode": "reuse",
    "models": {"model": "gateway*", "directives": [_DIRECTIVE]},
    "module": "fdo.upload",
    "name": "gateway",
    "networks": "192.0.2.0/24",
    "next": None,
    "DiagnosisOut.next": "Register it at its rendezvous server.",
    "observed": "north",
    "parameters": {"name": "/etc/machine-id"},
    "passed_name": "TO2.HelloDevice",
    "passport": "stored",
    "PassportOut.passport": "0oRDoQEmoFhA",
    "pcrs": {"7": FINGERPRINT},
    "pem": VOUCHER,
    "plan": "first-boot",
    "policy": "gateway-boot",
    "DraftOut.policy": {"kind": "attestation", "name": "gateway-boot", "version": 2},
    "profile": "uefi-server-tpm",
    "protocol": "https",
    "TraceOut.protocol": "TO2",
    "public_pem": PUBLIC_KEY,
    "reason": "yearly",
    "reasons": "freshly attested",
    "record": {"policy": "default", "version": 1},
    "refused_name": "TO2.ProveDevice",
    "removal": "proven",
    "rendezvous": {"url": "https://rv.example", "error": None},
    "role": "operator",
    "DiagnosisOut.role": "owner",
    "ReadyOut.role": "owner",
    "run": "9a7e4f31",
    "same_serial": "alarm",
    "scopes": "vouchers:read",
    "secret": "whsec_c2hvd24gb25jZQ",
    "sentence": "There is no appraisal yet.",
    "remedy": "Have the device attest.",
    "serial": "SN-0042",
    "server": "https://rv.example:443",
    "servers": "https://rv.example:443",
    "set_for": "all",
    "shows": "what booted",
    "standing": "failing",
    "AncestorOut.standing": "live",
    "state": "attested",
    "ApiState": "active",
    "KeyOut.state": "active",
    "OwnerKeyOut.state": "active",
    "OurKeyOut.state": "active",
    "ReleaseOut.state": "released",
    "WebhookDeliveryOut.state": "pending",
    "states": {"attested": 40},
    "station": "bench 1",
    "status": "imported",
    "HandedOverOut.status": "extended",
    "ReadyOut.status": "ready",
    "stopped": "it answered 410",
    "stopped_at": "fdo.upload",
    "subject": "CN=Example CA",
    "told_by": "peer",
    "type": "pcr_mismatch",
    "url": "https://siem.example/vouchgate",
    "VerifierOut.url": "https://verifier.example:8891",
    "verdict": "passed",
    "KeyRuleOut.verdict": "deny",
    "TaggedKeyRuleOut.verdict": "deny",
    "OwnerShareOut.verdict": "allow",
    "version": "2026.1",
    "voucher": {"protocol_version": 101},
    "without_path": "CN=Example Issuing CA",
    "runtime_policy": None,
    "why": "not-registered",
    "would_have": "passed",
    "challenge": "hEOhASagWCA",
    "checks": {"database": "ok", "keys": "ok"},
    "port": 443,
}


def sample(schema: Mapping[str, Any], known: Mapping[str, Any], where: str = "") -> Any:
    """An example of what a schema describes.

    Args:
        schema: Of an answer, or a part of one.
        known: The schemas that ``$ref`` may name.
        where: ``Schema.member``, the place that the example is for.
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return sample(known[name], known, f"{name}.")
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if (
        "anyOf" in schema
        and _said(where) is None
        and {"type": "null"} in schema["anyOf"]
    ):
        return None
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], known, where)
    if schema.get("type") == "object" and "properties" in schema:
        return _members(schema["properties"], known, where.partition(".")[0])
    if schema.get("type") == "array":
        return [sample(schema["items"], known, where)]
    return _value(schema, where)


def _members(
    properties: Mapping[str, Any], known: Mapping[str, Any], owner: str
) -> dict[str, Any]:
    return {
        name: sample(one, known, f"{owner}.{name}") for name, one in properties.items()
    }


def _said(where: str) -> Any:
    return WORDS.get(where, WORDS.get(where.rpartition(".")[2], UNSAID))


def _value(schema: Mapping[str, Any], where: str) -> Any:
    said = _said(where)
    match schema.get("type"):
        case "boolean":
            return True
        case "integer" if "1970" in schema.get("description", ""):
            return AT
        case "integer":
            return said if isinstance(said, int) else 2
        case "string" if schema.get("format") == "uuid":
            return GUID
        case "string" if "{64,96}" in schema.get("pattern", ""):
            return FINGERPRINT
        case "string":
            return said if isinstance(said, str) else UNSAID
        case _:
            return said if isinstance(said, dict) else UNSAID
