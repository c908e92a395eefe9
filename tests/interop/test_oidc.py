"""People and programs with tokens of an OpenID provider that is not ours."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from onboarding.cli.app import run
from onboarding.services.errors import Problem
from onboarding.services.oidc import (
    ASK_EVERY,
    FRESH_SECONDS,
    STALE_SECONDS,
    Issuer,
)
from onboarding.services.settings import Role as Service
from onboarding.services.settings import Settings
from onboarding.store.apikeys import Role
from onboarding.store.errors import ApiKeyRefused
from tests.e2e.test_services_api import ROLES
from tests.support.api_bench import Api, is_problem, send
from tests.support.interop.issuer import AUDIENCE, Issuing, issuing, key_of
from tests.support.interop.toolchain import Unavailable
from tests.support.services import Site


@dataclass(frozen=True)
class Trusting:
    """A service that believes a provider, and the key that this one signs by."""

    api: Api
    issuer: Issuing
    key: dict[str, Any]

    def get(self, token: str, path: str = "/devices") -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return self.api.service.http.get(f"/api/v1{path}", headers=headers)

    def forged(self, change: Callable[[dict[str, Any]], object], **head: Any) -> str:
        """A token of the provider's, changed, and signed by its own key."""
        claims = jwt.decode(
            self.issuer.token("op"), options={"verify_signature": False}
        )
        change(claims)
        private = ECAlgorithm.from_jwk(self.key)
        asked = {"kid": self.key["kid"], **head}
        return jwt.encode(claims, private, head.get("alg", "ES256"), headers=asked)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trusting]:
    directory, key = tmp_path_factory.mktemp("oidc"), key_of("first", "ES256")
    try:
        with issuing(directory, key) as issuer:
            for api in _believing(tmp_path_factory.mktemp("site"), issuer.url):
                yield Trusting(api, issuer, key)
    except Unavailable as error:
        pytest.skip(str(error))


def _believing(directory: Path, url: str, **more: Any) -> Iterator[Api]:
    site = Site(directory)
    settings = site.settings(
        Service.ALL,
        background=False,
        oidc_issuer=url,
        oidc_audience=AUDIENCE,
        **more,
    )
    keys = {Role.ADMIN: site.api_key(settings, Role.ADMIN)}
    with site.serve(settings) as service:
        yield Api(site, service, keys)


def test_a_token_opens_what_its_roles_do(trusting: Trusting) -> None:
    operator = trusting.issuer.token("op")
    assert trusting.get(operator).status_code == 200
    assert trusting.get(operator, "/events").status_code == 403
    both = trusting.issuer.token("both")
    assert trusting.get(both, "/events").status_code == 200
    assert trusting.get(both, "/made").status_code == 200
    assert trusting.get(both, "/apikeys").status_code == 403


def test_commands_come_with_a_token(
    trusting: Trusting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text(trusting.issuer.token("op") + "\n")
    at = ["--url", trusting.api.service.url, "--json"]
    monkeypatch.setenv("VOUCHGATE_API_KEY", "vg_of_nobody")
    assert run(["--token-file", str(file), "fleet", "list", *at]) == 0
    assert run(["--token-file", str(file), "audit", "checkpoints", *at]) == 1
    monkeypatch.delenv("VOUCHGATE_API_KEY")
    monkeypatch.setenv("VOUCHGATE_TOKEN", trusting.issuer.token("both"))
    assert run(["audit", "checkpoints", *at]) == 0
    assert run(["fleet", "list", *at]) == 0


def test_every_route_lets_in_the_roles_of_a_token_and_no_other(
    trusting: Trusting,
) -> None:
    for client, roles in (("op", {"operator"}), ("both", {"security", "manufacturer"})):
        named = replace(trusting.api, keys={Role.ADMIN: trusting.issuer.token(client)})
        for route, allowed in ROLES.items():
            reply = send(named, route, Role.ADMIN)
            if roles & allowed:
                assert reply.status_code not in (401, 403, 405), (route, reply.text)
            else:
                assert reply.json()["code"] == "role-refused", route


def test_an_api_key_is_good_beside_it(trusting: Trusting) -> None:
    assert trusting.get(trusting.api.keys[Role.ADMIN]).status_code == 200


@pytest.mark.parametrize("client", ["none", "other"])
def test_who_has_no_role_here_or_another_audience_is_refused(
    trusting: Trusting, client: str
) -> None:
    reply = trusting.get(trusting.issuer.token(client))
    assert reply.status_code == 401
    assert is_problem(reply)


def test_the_audit_log_names_who_did_it(trusting: Trusting) -> None:
    token = trusting.issuer.token("both")
    headers = {"Authorization": f"Bearer {token}"}
    http = trusting.api.service.http
    body = {"ek_digest": "ab" * 32, "reason": "r"}
    assert http.post("/api/v1/ek-acceptances", json=body, headers=headers).is_success
    (event,) = trusting.api.call("GET", "/events?limit=1").json()["items"]
    assert event["actor"] == "oidc:both"


def test_a_repetition_under_a_renewed_token_is_known(trusting: Trusting) -> None:
    http, answers = trusting.api.service.http, []
    for _ in range(2):
        headers = {
            "Authorization": f"Bearer {trusting.issuer.token('both')}",
            "Idempotency-Key": "once",
        }
        body = {"ek_digest": "cd" * 32, "reason": "r"}
        reply = http.post("/api/v1/ek-acceptances", json=body, headers=headers)
        assert reply.is_success, reply.text
        answers.append(reply)
    assert answers[0].content == answers[1].content
    assert answers[1].headers["idempotency-replayed"] == "true"


FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "it ran out": lambda claims: claims.update(exp=claims["iat"] - 3600),
    "it never runs out": lambda claims: claims.pop("exp"),
    "it is of tomorrow": lambda claims: claims.update(nbf=claims["iat"] + 86400),
    "another issuer": lambda claims: claims.update(iss="https://other.example"),
    "another audience": lambda claims: claims.update(aud="https://other.example"),
    "no audience": lambda claims: claims.pop("aud"),
    "nobody": lambda claims: claims.pop("sub"),
    "a name that is no line": lambda claims: claims.update(sub="a\nb"),
    "no role": lambda claims: claims.pop("roles"),
    "roles that are none": lambda claims: claims.update(roles=[["operator"], 1]),
    "too much": lambda claims: claims.update(more="x" * 9000),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_signature_alone_opens_nothing(trusting: Trusting, how: str) -> None:
    assert trusting.get(trusting.forged(lambda _claims: None)).status_code == 200
    assert trusting.get(trusting.forged(FORGED[how])).status_code == 401


def test_no_algorithm_but_the_key_s_own_is_taken(trusting: Trusting) -> None:
    token = trusting.issuer.token("op")
    head, claims, signature = token.split(".")

    def with_head(**changed: Any) -> str:
        said = json.loads(base64.urlsafe_b64decode(head + "=="))
        text = json.dumps({**said, **changed}).encode()
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()

    public = ECAlgorithm.from_jwk(trusting.key).public_key()  # type: ignore[union-attr]
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    # The classic: the public key as a secret that two share.
    shared = f"{with_head(alg='HS256')}.{claims}"
    mac = hmac.digest(pem, shared.encode(), "sha256")
    mac_text = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    for forged in (
        f"{with_head(alg='none')}.{claims}.",
        f"{with_head(alg='HS256')}.{claims}.{signature}",
        f"{with_head(alg='RS256')}.{claims}.{signature}",
        f"{with_head(alg='ES384')}.{claims}.{signature}",
        f"{with_head(kid='unheard-of')}.{claims}.{signature}",
        f"{head}.{claims}.{signature[:-8]}AAAAAAAA",
        f"{head}.{claims}.",
        "a.b.c",
        "..",
        f"{shared}.{mac_text}",
    ):
        assert trusting.get(forged).status_code == 401, forged


def test_a_new_key_of_the_provider_s_is_found_and_the_old_one_dropped(
    tmp_path: Path,
) -> None:
    old, new, now = key_of("old", "ES256"), key_of("new", "RS256"), [1_000_000]
    try:
        with issuing(tmp_path, old) as running:
            settings = Settings(oidc_issuer=running.url, oidc_audience=AUDIENCE)
            opened = partial(httpx.Client, trust_env=False)
            issuer = Issuer(settings, opened, lambda: now[0])
            token, port = running.token("op"), int(running.url.rpartition(":")[2])
            assert issuer.verify(token).name == "op"
        # While it is away its keys are believed as they were, and not for ever.
        now[0] += FRESH_SECONDS
        assert issuer.verify(token).roles == {Role.OPERATOR}
        with issuing(tmp_path, new, port) as running:
            fresh = running.token("op")
            with pytest.raises(ApiKeyRefused):  # it was asked a moment ago
                issuer.verify(fresh)
            now[0] += ASK_EVERY
            assert issuer.verify(fresh).name == "op"
            with pytest.raises(ApiKeyRefused):
                issuer.verify(token)
        now[0] += STALE_SECONDS
        with pytest.raises(Problem, match="too old"):
            issuer.verify(fresh)
    except Unavailable as error:
        pytest.skip(str(error))
