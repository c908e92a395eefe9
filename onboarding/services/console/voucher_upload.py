"""Vouchers brought in by people: a file from a script, or text from a form.

A script is told line by line how far it is, as JSON: first ``total``, then an
``item`` for each voucher, last ``counts``; ``problem`` if it ends early.
"""

import json
from collections import Counter
from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from onboarding.services.api import problems
from onboarding.services.api.auth import Ctx, RawBody, actor
from onboarding.services.api.fields import JsonObject
from onboarding.services.api.voucher_import import LINES, shown_item
from onboarding.services.console.guard import (
    Current,
    FormFields,
    takes_form,
    takes_upload,
)
from onboarding.services.console.pages import HEADERS, pages_router, render
from onboarding.services.voucher_import import (
    Import,
    ItemStatus,
    begin_import,
    import_vouchers,
)
from onboarding.store.apikeys import Role
from onboarding.store.errors import StoreError

router = APIRouter(include_in_schema=False)  # refuses a script in JSON
pages = pages_router()


# A file is read whole by the script's request; a form's text is held to 1 MiB.


@router.post("/vouchers/import", **takes_upload(Role.OPERATOR))
def upload(body: RawBody, context: Ctx, session: Current) -> Response:
    """Import a PEM or CBOR file, and tell how far it is while it goes on."""
    begun = begin_import(context, body, actor(session.key))
    return StreamingResponse(_told(begun), headers=dict(HEADERS), media_type=LINES)


@pages.post("/vouchers/paste", **takes_form(Role.OPERATOR))
def paste(
    request: Request, context: Ctx, session: Current, form: FormFields
) -> Response:
    """Import what was pasted, and show what became of it."""
    text = form.get("pem", "").encode()
    results = [
        shown_item(one) for one in import_vouchers(context, text, actor(session.key))
    ]
    counts = _counts(Counter(one["status"] for one in results))
    return render(request, "imported.html", session, results=results, counts=counts)


def _told(begun: Import) -> Iterator[str]:
    seen: Counter[str] = Counter()
    yield _line({"total": begun.total})
    try:
        for one in begun.results:
            seen[one.status.value] += 1
            yield _line({"item": shown_item(one)})
    except StoreError as error:
        yield _line({"problem": problems.document(problems.from_error(error))})
    yield _line({"counts": _counts(seen)})


def _counts(seen: Counter[str]) -> dict[str, int]:
    return {status.value: seen[status.value] for status in ItemStatus}


def _line(told: JsonObject) -> str:
    return json.dumps(told) + "\n"
