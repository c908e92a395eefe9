"""What to do next, where who refuses has nothing better to say."""

from collections.abc import Mapping

_DOCUMENT = "/api/v1/openapi.json says what this route takes."

BY_CODE: Mapping[str, str] = {
    "bad-request": "Send the whole request again.",
    "body-too-large": "Send less at once.",
    "body-too-slow": "Send it again, without a pause of 30 seconds.",
    "conflict": "Read what is there now, and decide anew.",
    "invalid": _DOCUMENT,
    "internal": "Find the answer's X-Request-Id in the service's log.",
    "issuer-unavailable": "Try again, or use an API key; the service's log says why.",
    "key-unavailable": "`vouchgate doctor` checks keys, tokens and TPM.",
    "malformed": "Check that the file is whole, and what it should be.",
    "method-not-allowed": "The header Allow names the methods of this path.",
    "not-found": "Check the name or GUID: the lists of the API have what there is.",
    "unsupported-key": "Use P-256, P-384, RSA-2048 or RSA-3072.",
    "unsupported-media-type": "Send it with Content-Type: application/json.",
}
OTHERWISE = "The reference of errors says when this is answered."


def remedy_of(code: str) -> str:
    """What helps against a refusal with this code."""
    return BY_CODE.get(code, OTHERWISE)
