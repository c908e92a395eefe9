"""A chain whose owner's ServiceInfo plans are a test module's own."""

from collections.abc import Iterator

import pytest

from onboarding.services.key_material import KeyAlgorithm
from tests.support.databases import NewDatabase
from tests.support.fdo_chain import Chain, joined


@pytest.fixture(scope="module")
def chain(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Chain]:
    """A chain of its own: its rules are for all devices."""
    yield from joined(
        tmp_path_factory.mktemp("plans"), KeyAlgorithm.P256, databases=databases
    )
