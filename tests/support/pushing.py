"""A device of the push channel in front of its owner, and a real Keylime behind it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import Request

from attestation.device_auth import Purpose
from attestation.keylime.client import KeylimeClient
from attestation.keylime.credential_blob import auth_tag
from attestation.keylime.http import device_transport
from attestation.keylime.push_agent import PushAgent
from attestation.keylime.push_ports import TpmPort
from attestation.keylime.stack import KeylimeStack
from hw.kernel_logs import KernelLogs
from onboarding.device.owner_api import ForwardedReply, OwnerApi
from onboarding.device.push import SESSION_HEADER
from onboarding.services.device_api.enrol import PushEnrolment
from onboarding.services.device_api.proxy import HEADER, PREFIX, KeylimeProxy
from onboarding.services.keylime_link import KeylimeLink, require
from onboarding.services.reconcile import KIND, ReconcileWork, plan
from onboarding.store.appraisals import AppraisalRecord
from ownership_vouchers.types import Guid
from tests.support.attester import Attester
from tests.support.attesting import attesting_device
from tests.support.databases import NewDatabase
from tests.support.owner_bench import OwnerBench


class _Raced(KeylimeClient):
    """The owner's own client, on a network where somebody else is quicker."""

    def __init__(self, client: KeylimeClient, act: Callable[[], None]) -> None:
        self.__dict__.update(client.__dict__)
        self._act = act

    def activate(self, agent_id: str, auth_tag: str) -> None:
        super().activate(agent_id, auth_tag)
        self._act()


@dataclass
class Pushing:
    """What the owner does for one device, and what the device does with it."""

    bench: OwnerBench
    enrolment: PushEnrolment
    proxy: KeylimeProxy
    link: KeylimeLink
    attester: Attester

    @property
    def client(self) -> KeylimeClient:
        """As the owner, administrator of Keylime."""
        return self.link.client

    @property
    def agent(self) -> str:
        return str(self.bench.guid)

    def begin(self, said: dict[str, object] | None = None) -> dict[str, object]:
        return self.enrolment.begin(self.bench.call(Purpose.ENROL, said or {}))

    def proof(
        self, offered: Mapping[str, object], attester: Attester | None = None
    ) -> dict[str, object]:
        """What a TPM answers to the registrar's credential."""
        parts = offered["id_object"], offered["encrypted_secret"]
        id_object, secret = (part for part in parts if isinstance(part, bytes))
        one = attester or self.attester
        opened = one.tpm.activate_credential(one.ak, id_object, secret)
        return {"auth_tag": auth_tag(opened, self.agent), "ticket": offered["ticket"]}

    def complete(self, proof: dict[str, object]) -> dict[str, object]:
        return self.enrolment.complete(self.bench.call(Purpose.ENROL, proof))

    def behind_activation(self, act: Callable[[], None]) -> None:
        """Have somebody act just when the registrar has activated the device."""
        raced = _Raced(self.link.client, act)
        link = replace(self.link, client=raced)
        self.enrolment = PushEnrolment(self.bench.context, self.bench.gate, link)

    def looked(self) -> tuple[AppraisalRecord, ...]:
        """Have the owner look; return what is new, as one second can have several."""
        bench, stores = self.bench, self.bench.context.stores
        known = {one.id for one in stores.appraisals.page(bench.guid.raw).items}
        bench.clock.now = max(bench.clock.now + 1, time.time())
        plan(stores, bench.guid.raw, bench.context.now())
        work = ReconcileWork(bench.context, bench.gate, self.link)
        for task in stores.tasks.claim(KIND, "test", bench.context.now(), 60):
            work.run(task, "test")
        found = stores.appraisals.page(bench.guid.raw).items
        return tuple(one for one in found if one.id not in known)

    def enrol(self) -> None:
        self.complete(self.proof(self.begin()))

    def session(self, **said: object) -> str:
        """A token for calls through the owner's proxy."""
        made = self.proxy.session(self.bench.call(Purpose.KEYLIME, said))
        return str(made["session"])

    def send(
        self,
        token: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> httpx.Response:
        """One call through the proxy, as its route makes it."""
        route = self.proxy.route(request(method, path, token))
        lower = {name.lower(): value for name, value in headers.items()}
        answer = self.proxy.forward(route, lower, body)
        return httpx.Response(
            answer.status_code, headers=dict(answer.headers), content=bytes(answer.body)
        )

    def push_agent(
        self, attester: Attester | None = None, logs: KernelLogs | None = None
    ) -> PushAgent:
        """The device's side, over its owner's proxy, with the keys of ``attester``."""
        token, one = self.session(), attester or self.attester

        def way(
            method: str,
            path: str,
            headers: Mapping[str, str],
            body: Mapping[str, object],
        ) -> httpx.Response:
            return self.send(token, method, path, headers, json.dumps(body).encode())

        port = TpmPort(one.tpm, one.ak)
        boot = datetime(2026, 1, 1, tzinfo=UTC)
        return PushAgent(way, port, self.agent, boot, logs)


class Nearby(OwnerApi):
    """The owner's device API without the network between."""

    def __init__(self, pushing: Pushing) -> None:
        self._pushing = pushing

    @property
    def guid(self) -> Guid:
        return self._pushing.bench.guid

    def ask(
        self, path: str, fields: dict[str, object], seconds: float | None = None
    ) -> dict[object, object]:
        assert path == "keylime/session"
        return {"session": self._pushing.session(**fields)}

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> ForwardedReply:
        token = headers.pop(SESSION_HEADER)
        reply = self._pushing.send(token, method, path, headers, body)
        return ForwardedReply(reply.status_code, reply.headers, reply.content)


@contextmanager
def pushing_device(
    directory: Path,
    keylime_stack: KeylimeStack,
    attester: Attester,
    databases: NewDatabase | None = None,
    *,
    delete: bool = True,
    **more: Any,
) -> Iterator[Pushing]:
    """Bind the TPM by record, for the push channel, under what it holds now.

    ``delete`` False leaves it in Keylime, where that may be dead by then.
    """
    with attesting_device(
        directory, keylime_stack, attester, databases, **more
    ) as device:
        bench = device.bench
        bindings = bench.context.stores.bindings
        record = replace(
            bindings.get(bench.guid.raw),
            channel="push",
            ak_alg="rsa",
            ek_certificate=attester.tpm.endorsement_key().certificate,
        )
        bindings.put(record, "test")
        link = require(KeylimeLink.open(bench.context))
        context, gate = bench.context, bench.gate
        enrolment = PushEnrolment(context, gate, link)
        made = Pushing(bench, enrolment, KeylimeProxy(context, link), link, attester)
        yield made
        if delete:
            link.client.delete(made.agent)
        link.close()


@contextmanager
def outsider(keylime_stack: KeylimeStack) -> Iterator[KeylimeClient]:
    """Somebody on Keylime's network, who has no certificate of its authority."""
    settings = keylime_stack.client_settings()
    with device_transport(settings) as way:
        yield KeylimeClient(way, settings)


def request(method: str, path: str, token: str) -> Request:
    """A request below the proxy's prefix, as a server hands it over."""
    whole, _, query = f"{PREFIX}{path}".partition("?")
    headers = [(HEADER.lower().encode(), token.encode())]
    return Request(
        {
            "type": "http",
            "method": method,
            "path": whole,
            "raw_path": whole.encode(),
            "query_string": query.encode(),
            "headers": headers,
        }
    )
