"""Names under which devices are known to Keylime: their FDO GUIDs."""

import re

from attestation.keylime.errors import KeylimeError

_AGENT_ID = re.compile(r"[0-9a-z](?:[0-9a-z-]{0,78}[0-9a-z])?")


def checked_agent_id(agent_id: str) -> str:
    """Return ``agent_id`` if it may stand in a URL path as it is.

    Keylime itself takes almost anything. Raises KeylimeError.
    """
    if not _AGENT_ID.fullmatch(agent_id):
        raise KeylimeError("agent id is not lower case letters, digits and hyphens")
    return agent_id
