"""Drift between the real Keylime's record and ours, found and mended."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attestation.keylime.answers import base64_text
from attestation.keylime.credential_blob import auth_tag
from attestation.keylime.drift import DriftKind
from attestation.keylime.http import admin_http
from attestation.keylime.stack import KeylimeStack
from onboarding.services.drift import DriftDesk
from onboarding.services.enrol_task import KIND
from onboarding.services.enrolment import EnrolWork
from tests.support.attester import Attester, register
from tests.support.attesting import Attesting, attesting_device, measured
from tests.support.databases import NewDatabase

if TYPE_CHECKING:
    from hw.tpm import Tpm

RUNTIME = {
    "meta": {"version": 1, "generator": 3},
    "release": 0,
    "digests": {},
    "excludes": [],
    "keyrings": {},
    "ima": {"ignored_keyrings": [], "log_hash_alg": "sha1", "dm_policy": None},
    "ima-buf": {},
    "verification-keys": "",
}


@pytest.fixture
def pushing(
    tmp_path: Path, keylime_stack: KeylimeStack, tpm: "Tpm", databases: NewDatabase
) -> Iterator[Attesting]:
    """A device on the push channel, registered and enrolled as it should be."""
    attester = measured(tpm)
    with attesting_device(
        tmp_path, keylime_stack, attester, databases=databases
    ) as device:
        bench = device.bench
        stores, raw = bench.context.stores, bench.guid.raw
        stores.bindings.put(replace(stores.bindings.get(raw), channel="push"), "test")
        stores.devices.enrolled(raw, "push", "test", bench.context.now())
        activate(device, attester)
        enrol(device)
        yield device
        device.link.client.delete(str(bench.guid))


def activate(device: Attesting, attester: Attester) -> None:
    agent, client = str(device.bench.guid), device.link.client
    client.activate(agent, auth_tag(register(client, agent, attester), agent))


def enrol(device: Attesting) -> None:
    """Do what is planned, as a worker would."""
    bench = device.bench
    work = EnrolWork(bench.context, bench.gate, device.link)
    now = bench.context.now()
    bench.context.stores.tasks.enqueue(KIND, bench.guid.raw.hex(), now)
    for task in bench.context.stores.tasks.claim(KIND, "test", now, 60):
        work.run(task, "test")


def drifts(device: Attesting, *names: str) -> list[tuple[DriftKind, str]]:
    """What differs about these, and this device: other tests leave theirs behind."""
    about = {str(device.bench.guid), *names}
    look = DriftDesk(device.bench.context, device.link).look()
    assert look.agents == 1
    return [(one.kind, one.name) for one in look.drifts if one.name in about]


def mend(device: Attesting, *, strangers: bool = False) -> None:
    desk = DriftDesk(device.bench.context, device.link)
    desk.mend("test", strangers=strangers)
    for task in device.bench.context.stores.tasks.claim(
        KIND, "test", device.bench.context.now(), 60
    ):
        bench = device.bench
        EnrolWork(bench.context, bench.gate, device.link).run(task, "test")


def test_a_device_that_the_verifier_lost_is_enrolled_anew(pushing: Attesting) -> None:
    agent = str(pushing.bench.guid)
    assert drifts(pushing) == []
    pushing.link.client.unenrol(agent)
    assert drifts(pushing) == [(DriftKind.NOT_ENROLLED, agent)]
    mend(pushing)
    assert drifts(pushing) == []
    mend(pushing)
    assert drifts(pushing) == []


def test_another_policy_in_the_verifier_is_put_right(pushing: Attesting) -> None:
    agent, client = str(pushing.bench.guid), pushing.link.client
    client.unenrol(agent)
    client.enrol(agent, pushing.attester.ak.public, {0: ("00" * 32,)})
    assert drifts(pushing) == [(DriftKind.OTHER_POLICY, agent)]
    mend(pushing)
    assert drifts(pushing) == []


def test_a_registration_with_other_keys_is_removed(pushing: Attesting) -> None:
    agent, client = str(pushing.bench.guid), pushing.link.client
    client.unregister(agent)
    assert drifts(pushing) == [(DriftKind.NOT_REGISTERED, agent)]
    other = pushing.attester.tpm.create_attestation_key("rsa")
    activate(pushing, Attester(pushing.attester.tpm, other))
    assert drifts(pushing) == [(DriftKind.OTHER_KEYS, agent)]
    mend(pushing)
    assert drifts(pushing) == [(DriftKind.NOT_REGISTERED, agent)]


def test_strangers_are_told_and_removed_only_if_that_is_said(
    pushing: Attesting, keylime_stack: KeylimeStack
) -> None:
    stranger, named = "0" * 8, "somebodys-policy"
    client = pushing.link.client
    client.enrol(stranger, pushing.attester.ak.public, {0: ("00" * 32,)})
    settings = keylime_stack.client_settings()
    with admin_http(settings) as http:
        url = f"{settings.verifier_url}/v2.6"
        body = {"runtime_policy": base64_text(json.dumps(RUNTIME).encode())}
        reply = http.post(f"{url}/allowlists/{named}", json=body)
        assert reply.status_code == 201, reply.text
        reply = http.post(f"{url}/mbpolicies/{named}", json={"mb_policy": "{}"})
        assert reply.status_code == 201, reply.text
    told = [
        (DriftKind.STRANGE_AGENT, stranger),
        (DriftKind.STRANGE_RUNTIME_POLICY, named),
        (DriftKind.STRANGE_MEASURED_BOOT, named),
    ]
    assert drifts(pushing, stranger, named) == told
    mend(pushing)
    assert drifts(pushing, stranger, named) == told
    mend(pushing, strangers=True)
    assert drifts(pushing, stranger, named) == []
    events = pushing.bench.context.stores.events.page(None, 1, "keylime.mended").items
    assert f"strange-agent: {stranger}" in events[0].detail
