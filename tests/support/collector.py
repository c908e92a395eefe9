"""A collector of traces: OTLP over real HTTP, decoded by OpenTelemetry's own types."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

PREFIX = "vouchgate."


@dataclass
class Collected:
    """Every span that came, and all bytes as they were received, unpacked."""

    url: str
    spans: list[Any] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    received: bytes = b""

    def take(self, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        self.received += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(attributes(resource.resource))
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def named(self, name: str) -> list[dict[str, Any]]:
        """The attributes of each span of a name."""
        return [attributes(one) for one in self.spans if one.name == name]


def attributes(of: Any) -> dict[str, Any]:
    found = {}
    for one in of.attributes:
        kind = one.value.WhichOneof("value")
        found[one.key.removeprefix(PREFIX)] = getattr(one.value, kind)
    return found


@contextmanager
def collector() -> Iterator[Collected]:
    """Listen on loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            found.take(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Collected(f"http://127.0.0.1:{server.server_port}/v1/traces")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
