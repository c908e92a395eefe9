"""A POST that comes twice is done once: ``Idempotency-Key``.

The answer is kept for a day and given again. It may hold a secret, such as a new
API key, so it is sealed with a key made from the caller's own, which is not stored.
What was refused changed nothing and is not kept; nor is an answer over 1 MiB.

Source: draft-ietf-httpapi-idempotency-key-header-06.
"""

import asyncio
import logging
import re
from collections.abc import Callable

from starlette.exceptions import HTTPException

from onboarding.services.api.auth import PREFIX, caller_of, token_of
from onboarding.services.api.kept_answers import Answer, Asked
from onboarding.services.api.problems import problem_of, response
from onboarding.services.bodies import body_again, whole_body
from onboarding.services.errors import Problem
from onboarding.services.people import Person
from onboarding.services.transport import AsgiApp, Receive, Scope, Send
from onboarding.store.errors import StoreError
from onboarding.store.idempotency import IdempotencyStore

HEADER = b"idempotency-key"
NAME_PATTERN = r'^(?:"([!#-~]{1,128})"|([!#-~]{1,128}))$'
_NAME = re.compile(NAME_PATTERN.encode())

log = logging.getLogger(__name__)


class Idempotent:
    """An ASGI wrapper behind the key gate.

    Args:
        now: Seconds since 1970.
        secret_of: The secret of a caller who has another token each time, by id.
        refused: Told the code of each refusal.
    """

    def __init__(
        self,
        app: AsgiApp,
        store: IdempotencyStore,
        now: Callable[[], int],
        secret_of: Callable[[str], str],
        refused: Callable[[str], None],
    ) -> None:
        self._app = app
        self._store = store
        self._now = now
        self._secret_of = secret_of
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _asked_once(scope):
            await self._app(scope, receive, send)
            return
        try:
            name, body = _name(scope), await whole_body(receive)
            whose, secret = caller_of(scope).id, self._secret(scope)
            asked = Asked.of(scope, whose, secret, name, body, self._now())
            claim = asked.key_id, asked.name, asked.digest, asked.at
            known = await asyncio.to_thread(self._store.claim, *claim)
            kept = None if known is None else asked.opened(known)
        except (Problem, StoreError, HTTPException) as error:
            problem = problem_of(error)
            self._refused(problem.code)
            kept = response(problem)
        if kept is not None:
            await kept(scope, receive, send)
            return
        await self._do(asked, scope, body_again(body, receive), send)

    def _secret(self, scope: Scope) -> str:
        caller = caller_of(scope)
        if isinstance(caller, Person):
            return self._secret_of(caller.id)
        return token_of(scope)

    async def _do(
        self, asked: Asked, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Keep the answer before it is sent: who never gets it will ask again."""
        answer = Answer()
        await self._app(scope, receive, answer.take)
        try:
            await asyncio.to_thread(self._settle, asked, answer)
        except StoreError as error:
            log.warning("an answer was not kept: %s", error)
        for event in answer.events:
            await send(dict(event))

    def _settle(self, asked: Asked, answer: Answer) -> None:
        claim = asked.key_id, asked.name, asked.at
        if answer.lasts:
            self._store.answered(*claim, asked.sealed(answer.encode()))
        else:
            self._store.drop(*claim)


def is_honoured(method: str, path: str) -> bool:
    """Whether a repetition of such a request is known by its Idempotency-Key."""
    return method == "POST" and path.startswith(PREFIX)


def _asked_once(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and is_honoured(scope["method"], scope["path"])
        and any(name == HEADER for name, _ in scope["headers"])
    )


def _name(scope: Scope) -> str:
    """The name that the request has. Raises Problem."""
    given = [value for name, value in scope["headers"] if name == HEADER]
    found = _NAME.fullmatch(given[0].strip()) if len(given) == 1 else None
    if found is None:
        raise Problem(
            422,
            "invalid-idempotency-key",
            "An Idempotency-Key has 1 to 128 visible ASCII characters.",
            remedy="Take a random UUID.",
        )
    return (found[1] or found[2]).decode()
