"""A factory station's reverse proxy: adds the line and its key to plain FDO."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from onboarding.device.http import LINE_KEY

_SENT = ("Authorization", "Content-Type", "Message-Type")
_ANSWERED = ("authorization", "content-type", "message-type")


@contextmanager
def station(line_url: str, key: str) -> Iterator[str]:
    """Forward to a line while the block lasts; give the proxy's own URL."""

    class Forward(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent = {name: self.headers[name] for name in _SENT if name in self.headers}
            url = f"{line_url}{self.path}"
            headers = {**sent, LINE_KEY: key}
            reply = httpx.post(
                url, content=body, headers=headers, timeout=60, trust_env=False
            )
            self.send_response(reply.status_code)
            for name in _ANSWERED:
                if name in reply.headers:
                    self.send_header(name, reply.headers[name])
            self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
