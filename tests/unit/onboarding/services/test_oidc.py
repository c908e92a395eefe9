"""A provider that is slow, or away: who waits for it, and who does not.

Its tokens are tried with a real provider in tests/interop/test_oidc.py.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm

from onboarding.services.errors import Problem
from onboarding.services.oidc import ASK_EVERY, FRESH_SECONDS, Issuer
from onboarding.services.settings import Settings
from onboarding.store.errors import ApiKeyRefused

AUDIENCE = "https://owner.example/api"
KEY = ec.generate_private_key(ec.SECP256R1())
MUCH = 60.0  # seconds: a test that hangs fails instead


PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Provider:
    """Its keys; ``goes_on`` holds its answers back until it is set."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked, self.goes_on = Event(), Event()
        self.goes_on.set()

    def token(
        self, kid: str = "known", algorithm: str = "ES256", key: PrivateKey = KEY
    ) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "op", "roles": ["operator"]}
        claims |= {"iat": now, "exp": now + 3600}  # type: ignore[dict-item]
        return jwt.encode(claims, key, algorithm, headers={"kid": kid})

    def said(self, path: str) -> object:
        if path.startswith("/.well-known"):
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        public = ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "known", "use": "sig"}]}  # alg may be absent


@contextmanager
def serving() -> Iterator[Provider]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.set()
            found.goes_on.wait(MUCH)
            body = json.dumps(found.said(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    found = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        found.goes_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving() as found:
        yield found


def believing(url: str, now: list[int], **more: Any) -> Issuer:
    opened = partial(httpx.Client, trust_env=False, timeout=MUCH)
    settings = Settings(oidc_issuer=url, oidc_audience=AUDIENCE, **more)
    return Issuer(settings, opened, lambda: now[0], seconds=MUCH)


def test_one_waits_for_a_slow_provider_and_nobody_else(provider: Provider) -> None:
    """Who holds a known key, or none at all, is answered while it is being asked."""
    now = [1_000_000]
    issuer = believing(provider.url, now)
    assert issuer.verify(provider.token()).name == "op"
    for later, token in ((ASK_EVERY, "unheard-of"), (FRESH_SECONDS, "known")):
        now[0] += later
        provider.asked.clear()
        provider.goes_on.clear()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(issuer.verify, provider.token(token))
            assert provider.asked.wait(MUCH)
            assert issuer.verify(provider.token()).name == "op"
            with pytest.raises(ApiKeyRefused):
                issuer.verify(provider.token("another"))
            assert not waiting.done()
            provider.goes_on.set()
            if token == "known":
                assert waiting.result().name == "op"
            else:
                assert isinstance(waiting.exception(), ApiKeyRefused)


def test_before_any_key_is_known_who_comes_is_told_to_come_again(
    provider: Provider,
) -> None:
    now = [1_000_000]
    issuer = believing(provider.url, now)
    provider.goes_on.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(issuer.verify, provider.token())
        assert provider.asked.wait(MUCH)
        with pytest.raises(Problem) as told:
            issuer.verify(provider.token())
        assert not first.done()
        provider.goes_on.set()
        assert first.result().name == "op"
    assert (told.value.status, told.value.code) == (503, "issuer-unavailable")
    assert issuer.verify(provider.token()).name == "op"


def test_a_provider_that_is_away_from_the_start_is_no_fault_of_the_token() -> None:
    with serving() as gone:
        pass
    with pytest.raises(Problem) as told:
        believing(gone.url, [1_000_000]).verify(gone.token())
    assert told.value.code == "issuer-unavailable"
    assert told.value.extra == {"retry_after": ASK_EVERY}


def test_an_algorithm_that_the_settings_leave_out_is_refused(
    provider: Provider,
) -> None:
    """Even where the issuer's key and its signature are good."""
    now, token = [1_000_000], provider.token()
    assert believing(provider.url, now).verify(token).name == "op"
    narrow = believing(provider.url, now, oidc_algorithms=("RS256", "ES384"))
    with pytest.raises(ApiKeyRefused):
        narrow.verify(token)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_a_key_is_good_for_algorithms_of_its_kind_alone(
    provider: Provider, algorithm: str
) -> None:
    issuer = believing(provider.url, [1_000_000])
    stranger = rsa.generate_private_key(65537, 2048)
    with pytest.raises(ApiKeyRefused):
        issuer.verify(provider.token("known", algorithm, stranger))
    assert issuer.verify(provider.token()).name == "op"
