"""A request's body, read by one layer and handed on to the next."""

from onboarding.services.transport import Receive


async def whole_body(receive: Receive) -> bytes:
    """Return the body; ``limits.BodyLimit`` has bounded it."""
    parts = []
    more = True
    while more:
        event = await receive()
        parts.append(event.get("body", b""))
        more = event.get("more_body", False)
    return b"".join(parts)


def body_again(body: bytes, receive: Receive) -> Receive:
    """The body once more, for who reads it next."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> dict[str, object]:
        return waiting.pop() if waiting else dict(await receive())

    return again
