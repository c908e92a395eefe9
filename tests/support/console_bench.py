"""An owner with a fleet, and somebody at its console. TEST KEYS."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onboarding.services.context import open_context
from onboarding.services.settings import Role as Service
from onboarding.services.settings import Settings
from onboarding.store.apikeys import Role
from tests.support.console_fleet import Fleet, fill
from tests.support.databases import NewDatabase
from tests.support.owner_bench import Clock
from tests.support.services import Running, Site
from tests.support.visitor import Visitor


@dataclass
class Console:
    """A running owner; ``settings`` are what it was started with."""

    site: Site
    settings: Settings
    service: Running
    fleet: Fleet
    keys: dict[Role, str]

    def visitor(self, role: Role | None = None) -> Visitor:
        """Somebody at the console, logged in if a role is named."""
        visitor = Visitor(self.service.url)
        if role is not None:
            assert visitor.login(self.keys[role]).status_code == 303
        return visitor


def opened(directory: Path, databases: NewDatabase | None = None) -> Iterator[Console]:
    site = Site(directory, databases=databases)
    settings = site.settings(Service.OWNER, background=False)
    clock = Clock(float(int(time.time())))
    context = open_context(settings, clock)
    fleet = fill(context, clock)
    context.close()
    keys = {role: site.api_key(settings, role) for role in Role}
    with site.serve(settings) as service:
        yield Console(site, settings, service, fleet, keys)
    site.close()
