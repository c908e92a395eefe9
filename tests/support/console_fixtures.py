"""Fixtures of the console; the helpers are in ``console_bench``."""

from collections.abc import Callable, Iterator

import pytest

from onboarding.store.apikeys import Role
from tests.support.browser import Browser, browser, programs
from tests.support.console_bench import Console, opened
from tests.support.databases import NewDatabase


@pytest.fixture(scope="module")
def console(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Console]:
    """For reading, and for changes that no other test of the module looks at."""
    yield from opened(tmp_path_factory.mktemp("console"), databases)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real browser; skipped, with the reason, where there is none."""
    if programs() is None:
        pytest.skip("Chromium is not installed (Debian: chromium, chromium-driver)")
    with browser() as found:
        yield found


@pytest.fixture
def seen(chromium: Browser, console: Console) -> Callable[[Role, str], Browser]:
    """Opens a page in the browser, logged in as a role."""

    def see(role: Role, path: str) -> Browser:
        chromium.forget()
        chromium.open(f"{console.service.url}/login")
        chromium.type("#key", console.keys[role])
        chromium.click("button.first")
        chromium.wait(lambda: not chromium.url.endswith("/login"), "the first page")
        chromium.complaints()
        chromium.open(console.service.url + path)
        return chromium

    return see
