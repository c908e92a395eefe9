"""HEAD, which is answered as GET would be, without the body.

Source: RFC 9110, sections 9.1 and 9.3.2.
"""

from onboarding.services.transport import AsgiApp, Receive, Scope, Send

ENDLESS = frozenset({"/api/v1/events/stream"})
"""What GET answers without end, so that HEAD would hold a place for nobody."""


class Heads:
    """An ASGI wrapper whose application knows GET only.

    The server, which sees the method that was sent, leaves the body out.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "HEAD" and scope["path"] not in ENDLESS:
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
