"""Fixtures of services; the helpers are in ``api_bench`` and ``fdo_chain``."""

from collections.abc import Iterator

import pytest

from onboarding.services.key_material import KeyAlgorithm
from tests.support.api_bench import Api, started
from tests.support.databases import NewDatabase
from tests.support.fdo_chain import Chain, joined
from tests.support.services import Site


@pytest.fixture(scope="module")
def api(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Api]:
    for found in started(Site(tmp_path_factory.mktemp("api"), databases=databases)):
        directives = [{"ip": "127.0.0.1", "device_port": 1, "protocol": "http"}]
        found.call("PUT", "/rvinfo", json={"directives": directives})
        yield found


@pytest.fixture
def shop(api: Api) -> Api:
    """The same, with nobody on its list of manufacturers."""
    assert api.call("PUT", "/trust", json={}).status_code == 200
    return api


@pytest.fixture(scope="module")
def fdo_chain(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Chain]:
    """One chain for a module's tests; each makes devices of its own."""
    yield from joined(
        tmp_path_factory.mktemp("chain"), KeyAlgorithm.P256, databases=databases
    )
