"""The services that a certification tool's messages are sent to."""

from collections.abc import Iterator

import pytest

from tests.support.certifier import Certifier, certifier
from tests.support.databases import NewDatabase


@pytest.fixture(scope="module")
def bench(
    tmp_path_factory: pytest.TempPathFactory,
    databases: NewDatabase,
    cheap_key_files: None,
) -> Iterator[Certifier]:
    """All roles in one site, for the tests of one file."""
    with certifier(tmp_path_factory.mktemp("site"), databases) as made:
        yield made
