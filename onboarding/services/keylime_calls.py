"""Every call to Keylime: how long it took to answer, and a span of it.

Told are which of Keylime's programs was called, by which method, and how it answered;
never a path, which may hold a session, a header or a body.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from attestation.keylime.http import Answered
from onboarding.services.context import Context
from onboarding.services.settings import Settings
from ownership_vouchers.types import Guid

_AGENT = re.compile(r"/agents/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?:/|\Z)")
_EVIDENCE = b"/verify/evidence"


class KeylimeCalls:
    """What watches our own calls, as Keylime's administrator. Safe in any thread."""

    def __init__(self, context: Context) -> None:
        self._spans, self._taken = context.spans, context.meters.keylime_calls
        self._parts = _parts(context.settings)

    @contextmanager
    def ours(self, request: httpx.Request) -> Iterator[Answered]:
        """Watch a call of ours until its answer begins."""
        with self._watched(self._part(request.url), request) as answered:
            yield answered

    def _part(self, url: httpx.URL) -> str:
        part = self._parts.get(_origin(url), "verifier")
        judges = part == "verifier" and url.raw_path.endswith(_EVIDENCE)
        return "evidence" if judges else part

    @contextmanager
    def forwarded(self, request: httpx.Request) -> Iterator[Answered]:
        """Watch a call that a device makes through us."""
        with self._watched("forwarded", request) as answered:
            yield answered

    @contextmanager
    def _watched(self, part: str, request: httpx.Request) -> Iterator[Answered]:
        began, result = time.perf_counter(), "none"
        try:
            with self._spans.span(f"keylime.{part}", _device(request)) as note:
                note(method=request.method)

                def answered(status: int) -> None:
                    nonlocal result
                    result = f"{status // 100}xx"
                    note(status=status)

                yield answered
        finally:
            self._taken.labels(part, result).observe(time.perf_counter() - began)


def _parts(settings: Settings) -> Mapping[str, str]:
    """Which program is reached under which origin."""
    named = {
        "pull": (settings.keylime_pull_url,),
        "registrar": (
            settings.keylime_registrar_url,
            settings.keylime_registrar_http_url,
        ),
    }
    return {
        _origin(httpx.URL(url)): part
        for part, urls in named.items()
        for url in urls
        if url is not None
    }


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"


def _device(request: httpx.Request) -> bytes | None:
    found = _AGENT.search(request.url.path)
    return None if found is None else Guid.parse(found[1]).raw
