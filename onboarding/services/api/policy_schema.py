"""Policies as the API takes them: what `attestation.policy` reads from JSON."""

from typing import Any

_NAME = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_SECONDS: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 2592000}
_VERSION: dict[str, Any] = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
        {"type": "null"},
    ],
    "description": "The next one, if left out.",
}
# IMA's PCR and those that software can reset cannot be pinned.
_PCR = "^(?:[0-9]|1[1-5]|1[7-9]|2[0-2])$"
_LABEL: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 256}


def _digest(digits: int) -> dict[str, Any]:
    """A digest; one of zeros or ones alone is what a PCR has after a reset."""
    return {
        "type": "string",
        "minLength": digits,
        "maxLength": digits,
        "pattern": "^[0-9a-f]*[1-9a-e][0-9a-f]*$",
    }


def _boots(digits: int) -> dict[str, Any]:
    """Boots that may be; all of them cover the same PCRs."""
    event = {
        "type": "array",
        "description": "Type, digest, and what the event says.",
        "prefixItems": [
            {"type": "string", "pattern": "^EV_[A-Z0-9_]{1,60}$"},
            _digest(digits),
            {"type": "string", "pattern": "^[ -~]{0,512}$"},
        ],
        "minItems": 3,
        "maxItems": 3,
    }
    boot = {
        "type": "object",
        "required": ["name", "pcrs"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "pattern": "^[ -~]{1,128}$"},
            "pcrs": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": "^(?:[0-9]|1[1-5])$"},
                "additionalProperties": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 1024,
                    "items": event,
                },
            },
        },
    }
    boots = {"type": "array", "minItems": 1, "maxItems": 8, "items": boot}
    return {
        "type": "object",
        "description": "As `vouchgate policy learn` drafts it.",
        "required": ["boots"],
        "additionalProperties": False,
        "properties": {"boots": boots},
    }


def _attestation(bank: str, digits: int) -> dict[str, Any]:
    """Bank sha256 goes without saying. Without boots some PCR is pinned by value."""
    needed = ["kind", "name", "pcrs", *(["bank"] if bank != "sha256" else [])]
    values = {
        "type": "array",
        "minItems": 1,
        "maxItems": 64,
        "items": _digest(digits),
    }
    return {
        "type": "object",
        "title": f"AttestationPolicy ({bank})",
        "required": needed,
        "additionalProperties": False,
        "properties": {
            "kind": {"const": "attestation"},
            "name": {"type": "string", "pattern": _NAME},
            "version": _VERSION,
            "bank": {"const": bank},
            "pcrs": {
                "type": "object",
                "propertyNames": {"pattern": _PCR},
                "additionalProperties": values,
            },
            "lease_seconds": _SECONDS,
            "measured_boot": _boots(digits),
            "runtime_policy": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
        "anyOf": [
            {"properties": {"pcrs": {"minProperties": 1}}},
            {"required": ["measured_boot"]},
        ],
    }


def _classes(*names: str) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": {"enum": list(names)}}


_RELEASE: dict[str, Any] = {
    "type": "object",
    "title": "ReleasePolicy",
    "required": ["kind", "name"],
    "additionalProperties": False,
    "properties": {
        "kind": {"const": "release"},
        "name": {"type": "string", "pattern": _NAME},
        "version": _VERSION,
        "accepted_ek": _classes(
            "vendor-trusted", "passport-trusted", "accepted-once", "no-certificate"
        ),
        "accepted_binding": _classes("tpm-bound"),
        "max_age_seconds": _SECONDS,
        "factory_identity": {"type": "boolean"},
        "required_labels": {
            "type": "object",
            "maxProperties": 64,
            "propertyNames": {"minLength": 1, "maxLength": 256},
            "additionalProperties": _LABEL,
        },
    },
}

POLICY: dict[str, Any] = {
    "oneOf": [_attestation("sha256", 64), _attestation("sha384", 96), _RELEASE]
}
