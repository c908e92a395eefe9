"""Rendezvous directives as the API takes them: what `RendezvousInfo.build` reads."""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

MAX_DIRECTIVES = 32
HOST = r"^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$"

_PORT: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 65535}
_BYTE: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 255}
_TEXT: dict[str, Any] = {"type": "string", "maxLength": 255}
_FLAG: dict[str, Any] = {"const": True, "description": "True, or left out."}
_HASH: dict[str, Any] = {
    "type": "string",
    "pattern": "^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96})$",
}
_PROTOCOLS = ["rest", "http", "https", "tcp", "tls", "coap_tcp", "coap_udp"]

DIRECTIVE: dict[str, Any] = {
    "type": "object",
    "description": "One thing to try; the variables of FDO 1.1, section 3.3.6.",
    "additionalProperties": False,
    "properties": {
        "device_only": _FLAG,
        "owner_only": _FLAG,
        "ip": {
            "type": "string",
            "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}],
        },
        "device_port": _PORT,
        "owner_port": _PORT,
        "dns": {
            "type": "string",
            "pattern": HOST,
        },
        "sv_cert_hash": _HASH,
        "cl_cert_hash": _HASH,
        "user_input": {"type": "boolean"},
        "wifi_ssid": _TEXT,
        "wifi_pw": _TEXT,
        "medium": _BYTE,
        "protocol": {"anyOf": [{"enum": _PROTOCOLS}, _BYTE]},
        "delay": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
        "bypass": _FLAG,
        "ext_rv": {
            "type": "array",
            "minItems": 1,
            "maxItems": 16,
            "items": _TEXT,
        },
    },
}

Directive = Annotated[dict[str, Any], WithJsonSchema(DIRECTIVE)]
Directives = Annotated[list[Directive], Field(min_length=1, max_length=MAX_DIRECTIVES)]
