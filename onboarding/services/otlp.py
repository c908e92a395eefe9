"""Spans by OpenTelemetry, sent as OTLP over HTTP. The only module that imports it.

A run of FDO is one trace, whichever replicas serve it: the trace's id is the run's id,
which every message's token tells. Sending happens in a thread of its own, from a queue
that drops what does not fit; no message waits for a collector.

Source: OpenTelemetry specification, "Overview"; W3C Trace Context, section 3.2.2.3.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from onboarding.protocol.errors import TokenRefused
from onboarding.protocol.subjects import NOBODY, Subject, claimed_subject
from onboarding.services.errors import SettingsError
from onboarding.services.fdo_front import (
    DIRECT,
    Arrival,
    FdoResponse,
    MessageHandler,
)
from onboarding.services.settings import Settings
from onboarding.services.spans import Note, Spans
from onboarding.store.tokens import id_of
from onboarding.wire.message import MsgType

if TYPE_CHECKING:  # extra "otel"
    from opentelemetry.context import Context as Parent
    from opentelemetry.sdk.trace import TracerProvider

RUNS_KNOWN = 4096
_PREFIX = "vouchgate."


def open_spans(settings: Settings) -> Spans:
    """Return spans as the settings want them.

    Raises:
        SettingsError: They are wanted, but the extra is not installed.
    """
    if settings.otel_endpoint is None:
        return Spans()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(
            "VOUCHGATE_OTEL_ENDPOINT needs the extra: pip install 'vouchgate[otel]'"
        ) from error
    about = {"service.name": "vouchgate", "vouchgate.role": settings.role.value}
    provider = TracerProvider(resource=Resource.create(about))
    exporter = OTLPSpanExporter(endpoint=settings.otel_endpoint)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OtlpSpans(provider)


class OtlpSpans(Spans):
    """Spans that a provider sends."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("vouchgate")

    def around(self, handler: MessageHandler) -> MessageHandler:
        return _Spanned(handler, self)

    @contextmanager
    def span(self, name: str, guid: bytes | None = None) -> Iterator[Note]:
        from opentelemetry.trace import Status, StatusCode

        # An error's words may be a peer's: its class is told, and no more.
        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False
        ) as span:

            def note(**said: str | int) -> None:
                span.set_attributes({f"{_PREFIX}{k}": v for k, v in said.items()})

            if guid is not None:
                note(guid=guid.hex())
            try:
                yield note
            except Exception as error:
                note(error=type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise

    def message(
        self, number: int, run: bytes | None, said: dict[str, str | int], began: int
    ) -> None:
        """Tell of a message that was answered: when it ``began``, in nanoseconds."""
        from opentelemetry.trace import SpanKind, Status, StatusCode

        span = self._tracer.start_span(
            f"FDO {number}",
            context=_trace_of(run),
            kind=SpanKind.SERVER,
            attributes={f"{_PREFIX}{k}": v for k, v in said.items()},
            start_time=began,
        )
        if "error" in said:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def close(self) -> None:
        self._provider.shutdown()


class _Spanned:
    """A handler whose messages become spans. Safe in any thread."""

    def __init__(self, handler: MessageHandler, spans: OtlpSpans) -> None:
        self._handler = handler
        self._spans = spans
        self._lock = Lock()
        self._about: OrderedDict[bytes, Subject] = OrderedDict()

    def handle(
        self,
        number: int,
        body: bytes,
        authorization: str | None,
        arrival: Arrival = DIRECT,
    ) -> FdoResponse:
        began, run = time.time_ns(), _run_of(authorization)
        said: dict[str, str | int] = {"message": number}
        try:
            response = self._handler.handle(number, body, authorization, arrival)
            run = run or _run_of(response.authorization)
            said["reply"] = response.message_type
        except Exception as error:
            said["error"] = type(error).__name__
            if isinstance(error, TokenRefused):
                run = None  # it is only said to be that run
            raise
        else:
            return response
        finally:
            said |= _words(self._subject(number, body, run), run)
            self._spans.message(number, run, said, began)

    def peer_error(self, body: bytes, authorization: str | None) -> None:
        began, run = time.time_ns(), _run_of(authorization)
        self._handler.peer_error(body, authorization)
        said: dict[str, str | int] = {"message": 255, "error": "peer"}
        said |= _words(self._subject(255, b"", run), run)
        self._spans.message(255, run, said, began)

    def _subject(self, number: int, body: bytes, run: bytes | None) -> Subject:
        """Whom a run is about: its first message said so, here."""
        with self._lock:
            known = self._about.get(run or b"")
        if known is not None:
            return known
        if number not in MsgType.__members__.values():
            return NOBODY
        found = claimed_subject(MsgType(number), body)
        if run is not None and found is not NOBODY:
            with self._lock:
                self._about[run] = found
                while len(self._about) > RUNS_KNOWN:
                    self._about.popitem(last=False)
        return found


def _words(subject: Subject, run: bytes | None) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    if run is not None:
        found["run"] = run.hex()
    if subject.guid is not None:
        found["guid"] = subject.guid.hex
    if subject.serial:
        found["serial"] = subject.serial
    return found


def _run_of(authorization: str | None) -> bytes | None:
    """The run's id that a token tells; None of what is no token of ours."""
    _, _, token = (authorization or "").partition(" ")
    try:
        found = id_of(token)
    except ValueError:
        return None
    return found if len(found) == 16 and any(found) else None


def _trace_of(run: bytes | None) -> Parent | None:
    """The trace that a run is, as its messages' parent."""
    if run is None:
        return None
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    parent = SpanContext(
        int.from_bytes(run, "big"),
        int.from_bytes(run[:8], "big") or 1,
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(parent))
