"""Our mount answers as go-fdo-server itself was seen to, or as the guide says."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from onboarding.services.settings import Role
from tests.support.compat_seen import Step, differences
from tests.support.compat_site import Incumbent, incumbent
from tests.support.compat_steps import FACTORY, OWNER, rendezvous_steps


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Incumbent]:
    yield from incumbent(tmp_path)


@pytest.mark.parametrize("role", [Role.MANUFACTURING, Role.RENDEZVOUS, Role.OWNER])
def test_our_mount_answers_as_go_fdo_server_was_seen_to(
    role: Role, peer: Incumbent
) -> None:
    steps = {
        Role.MANUFACTURING: FACTORY,
        Role.RENDEZVOUS: rendezvous_steps(),
        Role.OWNER: OWNER,
    }[role]

    def ask(step: Step) -> httpx.Response:
        return peer.ask(role, step.method, step.path, step.body, headers=step.headers)

    assert differences(steps, ask, ours=True) == []
