"""Bulk import of vouchers, for owners: each is dealt with while the others arrive."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import Header, Request, Response
from fastapi.concurrency import run_in_threadpool

from onboarding.services.api.answers.vouchers import ImportedOut, ImportItemOut
from onboarding.services.api.auth import Caller, Ctx, actor, needs
from onboarding.services.api.problems import KINDS, document, problem_of
from onboarding.services.api.routing import BYTES, api_router, takes
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.transport import Receive, Scope, Send
from onboarding.services.voucher_import import ItemResult, ItemStatus
from onboarding.services.voucher_intake import Intake
from onboarding.store.apikeys import Role
from ownership_vouchers.errors import VoucherError

router = api_router("vouchers")

LINES = "application/x-ndjson"
VOUCHER_FILE = {"application/x-pem-file": {"type": "string"}, "application/cbor": BYTES}
_EXAMPLE = """\
{"item": {"index": 0, "guid": "0d1a7c4e-6f0b-4c7e-9a53-7c1f2a9b6e10", "status": \
"imported", "passport": "none", "code": null, "detail": null}}
{"counts": {"imported": 1, "extended": 0, "unchanged": 0, "refused": 0}}
"""
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            LINES: {
                "schema": {"type": "string"},
                "examples": {"one": {"value": _EXAMPLE}},
            }
        }
    }
}
Accept = Annotated[str, Header(include_in_schema=False)]


@router.post(
    "/vouchers",
    response_model=ImportedOut,
    responses=_ANSWERS,
    **takes(VOUCHER_FILE, **needs(Role.OPERATOR)),
)
async def post_vouchers(
    request: Request, context: Ctx, caller: Caller, accept: Accept = ""
) -> ImportedOut | Response:
    """Import a PEM or CBOR file of one or many vouchers, passports among them.

    To who accepts `application/x-ndjson` each voucher is told when it has been dealt
    with, as an `item`; the last line has the `counts`, or is a `problem`.
    """
    results = _dealt(request, context, actor(caller))
    if LINES in accept:
        return _Lines(results)
    return await _whole(results)


async def _dealt(
    request: Request, context: Context, actor: str
) -> AsyncIterator[ItemResult]:
    """Yield results while the body is read, in threads."""
    intake = await run_in_threadpool(Intake, context, actor)
    async for data in request.stream():
        for one in await run_in_threadpool(intake.feed, data):
            yield one
    for one in await run_in_threadpool(intake.end):
        yield one


async def _whole(results: AsyncIterator[ItemResult]) -> ImportedOut:
    """All results as one. Raises Problem: every one was refused, or the file broke."""
    found: list[ItemResult] = []
    try:
        async for one in results:
            found.append(one)
    except VoucherError as error:
        told = problem_of(error)
        extra = {**_answer(found)} if found else {}
        raise Problem(told.status, told.code, told.detail, extra=extra) from error
    answer = _answer(found)
    if answer["refused"] == len(found):
        raise Problem(
            422,
            "vouchers-refused",
            "None of the vouchers was taken.",
            remedy="See `results` for the check that each of them failed.",
            extra={**answer},
        )
    return answer


class _Lines(Response):
    """A line for each result when there is one.

    The body is read on whether or not the client takes its lines: one that sends all
    before it reads anything would wait for us as we for it.
    """

    def __init__(self, results: AsyncIterator[ItemResult]) -> None:
        super().__init__(media_type=LINES)
        self._results = results
        self._told: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.create_task(self._work())
        try:
            line = await self._told.get()
            if line is None:
                await work  # raises what kept it from its first line
            head = [(b"content-type", LINES.encode()), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            while line is not None:
                await send(
                    {"type": "http.response.body", "body": line, "more_body": True}
                )
                line = await self._told.get()
            await send({"type": "http.response.body", "body": b""})
        finally:
            if not work.done():
                await _ended(work)

    async def _work(self) -> None:
        seen: Counter[ItemStatus] = Counter()
        try:
            async for one in self._results:
                seen[one.status] += 1
                self._tell({"item": shown_item(one)})
            self._tell({"counts": {one.value: seen[one] for one in ItemStatus}})
        except KINDS as error:
            if not seen:
                raise
            self._tell({"problem": document(problem_of(error))})
        finally:
            self._told.put_nowait(None)

    def _tell(self, line: dict[str, object]) -> None:
        self._told.put_nowait(json.dumps(line).encode() + b"\n")


async def _ended(work: "asyncio.Task[None]") -> None:
    """Nobody listens any more: what is under way is dealt with, and no more."""
    work.cancel()
    await asyncio.wait([work])


def _answer(results: Sequence[ItemResult]) -> ImportedOut:
    count = Counter(one.status for one in results)
    return {
        "imported": count[ItemStatus.IMPORTED],
        "extended": count[ItemStatus.EXTENDED],
        "unchanged": count[ItemStatus.UNCHANGED],
        "refused": count[ItemStatus.REFUSED],
        "results": [shown_item(one) for one in results],
    }


def shown_item(one: ItemResult) -> ImportItemOut:
    """What became of one voucher, and which check it failed."""
    return {
        "index": one.index,
        "guid": None if one.guid is None else str(one.guid),
        "status": one.status.value,
        "passport": one.passport,
        "code": one.code,
        "detail": one.detail,
    }
