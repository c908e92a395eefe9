"""Which of Keylime's calls a device may make through us: its own push calls only.

Keylime's other routes are not safe to expose: some need no authentication and can do
harm, and rate limits count one address for all. So this is a list of what is allowed,
matched in full against the path exactly as it stood on the request line: an escaped
slash, a dot segment, a query or another case is simply another path, and refused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from attestation.json_read import unique_members
from attestation.keylime.agent_id import checked_agent_id
from attestation.keylime.errors import KeylimeError

JSON_API = "application/vnd.api+json"
SESSION_LIMIT = 16 * 1024
CAPABILITIES_LIMIT = 64 * 1024
EVIDENCE_LIMIT = 8 * 1024 * 1024  # an IMA list may come along
REPLY_HEADERS = ("content-type", "retry-after", "location")

_SESSION_PATH = re.compile(
    r"/v3\.0/sessions/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_BEARER = re.compile(r"Bearer [A-Za-z0-9._~+/=-]{1,512}")


class NotForwarded(KeylimeError):
    """The call is not one that this device may make."""


@dataclass(frozen=True, slots=True)
class ProxyRoute:
    """A call that may go on to the verifier, without any certificate of ours."""

    method: str
    path: str  # use this one, not the request's
    body_limit: int  # octets; stop reading there
    agent_id: str
    names_agent: bool  # the body has to name the agent

    def check(self, body: bytes) -> None:
        """Hold the body against the route.

        Raises:
            NotForwarded: It is too long, or names another agent than the device's own.
        """
        if len(body) > self.body_limit:
            raise NotForwarded(f"body is longer than {self.body_limit} octets")
        if self.names_agent and _named_agent(body) != self.agent_id:
            raise NotForwarded("the session is for another agent")


def route_for(method: str, raw_path: str, agent_id: str) -> ProxyRoute:
    """Return the route of a device's call.

    Args:
        method: As received.
        raw_path: The path below our prefix, undecoded, with any query.
        agent_id: The id of the device that has authenticated itself to us.

    Raises:
        NotForwarded: Not on the list.
    """
    own = f"/v3.0/agents/{checked_agent_id(agent_id)}/attestations"
    match method, raw_path:
        case "POST", "/v3.0/sessions":
            return ProxyRoute(method, raw_path, SESSION_LIMIT, agent_id, True)
        case "PATCH", path if _SESSION_PATH.fullmatch(path):
            return ProxyRoute(method, path, SESSION_LIMIT, agent_id, True)
        case "POST", path if path == own:
            return ProxyRoute(method, path, CAPABILITIES_LIMIT, agent_id, False)
        case "PATCH", path if path == f"{own}/latest":
            return ProxyRoute(method, path, EVIDENCE_LIMIT, agent_id, False)
    raise NotForwarded("a device may only make its own push attestation calls")


def request_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what of a device's headers goes on: its bearer token, if well formed.

    Args:
        headers: With names in lower case.
    """
    forwarded = {"Content-Type": JSON_API, "Accept": JSON_API}
    token = headers.get("authorization")
    if token is None:
        return forwarded
    if not _BEARER.fullmatch(token):
        raise NotForwarded("Authorization is not a bearer token")
    return {**forwarded, "Authorization": token}


def _named_agent(body: bytes) -> object:
    """Return ``data.attributes.agent_id``; None if there is no such thing."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=unique_members)
    except (ValueError, RecursionError) as error:
        raise NotForwarded("the body is not JSON") from error
    for name in ("data", "attributes", "agent_id"):
        value = value.get(name) if isinstance(value, dict) else None
    return value
