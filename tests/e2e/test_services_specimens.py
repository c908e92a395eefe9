"""The bodies that the OpenAPI document shows as files, sent as they are shown."""

import httpx
import pytest

from onboarding.services.api import specimens
from onboarding.services.api.specimens import PEM
from onboarding.store.apikeys import Role
from tests.support.api_bench import Api

pytest_plugins = ["tests.support.service_fixtures"]

CBOR = "application/cbor"


def sent(api: Api, path: str, kind: str) -> httpx.Response:
    shown = specimens.of_request(f"POST {path}", kind)
    assert shown is not None
    content = shown.get("value") or specimens.specimens()["voucher"]
    headers = {"Content-Type": kind, "X-API-Key": api.keys[Role.ADMIN]}
    return api.service.http.post(path, content=content, headers=headers)


@pytest.mark.parametrize("kind", [PEM, CBOR])
def test_the_voucher_that_is_shown_is_whole_and_somebody_else_s(
    api: Api, kind: str
) -> None:
    (refused,) = sent(api, "/api/v1/vouchers", kind).json()["results"]
    assert refused["code"] == "owner_key"
    assert sent(api, "/api/v1/keys/match", kind).is_success


def test_the_bundle_that_is_shown_is_trusted_and_its_crl_taken(api: Api) -> None:
    brought = sent(api, "/api/v1/ek-trust/bundles", PEM).json()
    assert len(brought["added"]) == 2
    again = sent(api, "/api/v1/ek-crls", PEM)
    assert (again.status_code, again.json()["added"]) == (200, 0)
