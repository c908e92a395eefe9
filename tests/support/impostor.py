"""A verifier that finds everything valid, behind a certificate of another authority."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.support.server_tls import Authority

HOST = "127.0.0.1"


@dataclass
class Impostor:
    """Where it listens, who vouches for it, and what it was asked."""

    url: str
    ca: Path
    asked: list[str] = field(default_factory=list)


@contextmanager
def impostor(directory: Path) -> Iterator[Impostor]:
    """Serve until the block ends."""
    authority = Authority("somebody else")
    key, certificate = authority.issue(HOST)
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    (directory / "impostor.key").write_bytes(key.private_bytes(*form))
    (directory / "impostor.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (directory / "impostor-ca.crt").write_bytes(authority.pem)
    asked: list[str] = []
    server = ThreadingHTTPServer((HOST, 0), _handler(asked))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "impostor.crt", directory / "impostor.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"https://{HOST}:{server.server_address[1]}"
    try:
        yield Impostor(url, directory / "impostor-ca.crt", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(asked: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            results = {"valid": True, "claims": {}, "failures": []}
            said = {"code": 200, "status": "Success", "results": results}
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
