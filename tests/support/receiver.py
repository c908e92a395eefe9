"""A program that is told of events: a real HTTP server, which checks signatures."""

import base64
import hashlib
import hmac
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

SECONDS = 120.0  # to wait at most; a test that passes waits for nothing


@dataclass(frozen=True)
class Told:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    def signed_by(self, secret: str) -> bool:
        """As a receiver checks it. Source: Standard Webhooks 1.0.0."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        names = ("webhook-id", "webhook-timestamp")
        head = ".".join(self.headers[name] for name in names)
        found = hmac.new(key, f"{head}.".encode() + self.body, hashlib.sha256)
        mine = "v1," + base64.b64encode(found.digest()).decode()
        return mine in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """``answers`` is taken from, one status for each request; then it is 204.

    Nothing is answered while ``goes_on`` is not set; ``asked`` has each that began.
    """

    url: str
    answers: list[int] = field(default_factory=list)
    told: "Queue[Told]" = field(default_factory=Queue)
    asked: "Queue[None]" = field(default_factory=Queue)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def next(self) -> Told:
        return self.told.get(timeout=SECONDS)


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver on loopback, for as long as the block lasts; by HTTPS with ``tls``."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.asked.put(None)
            found.goes_on.wait(SECONDS)
            status = found.answers.pop(0) if found.answers else 204
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{found.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            names = {name.lower(): value for name, value in self.headers.items()}
            found.told.put(Told(names, body))

        def log_message(self, *_args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    found = Receiver(f"{scheme}://127.0.0.1:{server.server_address[1]}")
    found.goes_on.set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.goes_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
