"""Webhooks: events that really arrive, signed, however often it takes."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from onboarding.services import outgoing, webhooks
from onboarding.services.context import Context, open_context
from onboarding.services.settings import Role as Service
from onboarding.services.webhooks import (
    MOST_ATTEMPTS,
    SLOTS,
    Webhooks,
    new_secret,
    pause,
    seal,
)
from onboarding.store.apikeys import Role
from onboarding.store.events import Event
from tests.support.api_bench import Api, is_problem
from tests.support.databases import NewDatabase
from tests.support.receiver import SECONDS, Receiver, receiving
from tests.support.services import Site

pytest_plugins = ["tests.support.service_fixtures"]

LOOPBACK = ("127.0.0.0/8",)


@dataclass
class Post:
    """A service's outbox, emptied by hand, at a time of the test's."""

    context: Context
    now: list[int] = field(default_factory=lambda: [2_000_000_000])

    def happens(self, cause: str) -> None:
        event = Event(cause, "test", self.now[0], detail={"n": 1})
        self.context.stores.events.append(event)

    def goes_out(self) -> int:
        """Send what is due; return how many attempts that were."""
        work = Webhooks(self.context)
        claims = work._due()
        for one in claims:
            work.send(one)
        return len(claims)

    def hook(self, url: str, *causes: str) -> str:
        sealed = seal(self.context, new_secret())
        store = self.context.stores.webhooks
        return store.add(url, causes, sealed, "test", self.now[0]).id


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def post(tmp_path: Path, databases: NewDatabase) -> Iterator[Post]:
    yield from _post(tmp_path, LOOPBACK, databases)


def _post(
    directory: Path, networks: tuple[str, ...], databases: NewDatabase
) -> Iterator[Post]:
    now = [2_000_000_000]
    site = Site(directory, databases=databases)
    settings = site.settings(Service.OWNER, webhook_networks=networks)
    context = open_context(settings, lambda: now[0])
    yield Post(context, now)
    context.close()


def test_an_event_arrives_signed_and_once(post: Post, receiver: Receiver) -> None:
    post.hook(f"{receiver.url}/in?token=1", "device")
    post.happens("device.bound")
    post.happens("voucher.added")
    assert post.goes_out() == 1
    told = receiver.next()
    document = json.loads(told.body)
    assert document["type"] == document["data"]["cause"] == "device.bound"
    assert document["timestamp"].startswith("2033-05-18T")
    assert told.headers["host"] == receiver.url.removeprefix("http://")
    assert post.goes_out() == 0


def test_a_failed_one_is_tried_less_and_less_often_and_then_given_up(
    post: Post, receiver: Receiver
) -> None:
    receiver.answers += [500, 302, 404] * MOST_ATTEMPTS
    hook = post.hook(receiver.url)
    post.happens("a")
    sent = []
    for _ in range(MOST_ATTEMPTS):
        assert post.goes_out() == 1
        sent.append(receiver.next())
        assert post.goes_out() == 0
        post.now[0] += 6 * 3600
    assert post.goes_out() == 0
    store = post.context.stores.webhooks
    (dead,) = store.page(hook, None, 5, dead=True).items
    assert (dead.attempts, dead.status) == (MOST_ATTEMPTS, 302)
    # The same message each time, and of its own time each time.
    assert len({one.headers["webhook-id"] for one in sent}) == 1
    assert len({one.headers["webhook-timestamp"] for one in sent}) == MOST_ATTEMPTS
    assert receiver.told.empty()  # a redirect is not followed
    receiver.answers.clear()
    store.redeliver(hook, post.now[0])
    assert post.goes_out() == 1
    assert receiver.next().headers["webhook-id"] == sent[0].headers["webhook-id"]
    assert store.counts() == (0, 0)


def test_pauses_grow_and_no_two_need_be_alike() -> None:
    least, most = ([pause(n, share) for n in range(1, 9)] for share in (0.0, 1.0))
    assert least == sorted(least)
    assert all(low < high for low, high in zip(least, most, strict=True))
    assert most == [5, 20, 80, 320, 1280, 5120, 20480, 21600]


def test_who_answers_gone_is_told_nothing_more(post: Post, receiver: Receiver) -> None:
    receiver.answers += [410]
    hook = post.hook(receiver.url)
    post.happens("a")
    assert post.goes_out() == 1
    assert "410" in str(post.context.stores.webhooks.get(hook).disabled)
    post.happens("b")
    post.now[0] += 3600
    assert post.goes_out() == 0
    post.context.stores.webhooks.resume(hook, "test", post.now[0])
    assert post.goes_out() > 0


def test_nothing_is_sent_into_a_network_that_nobody_named(
    tmp_path: Path, databases: NewDatabase, receiver: Receiver
) -> None:
    for post in _post(tmp_path, (), databases):
        hook = post.hook(receiver.url)
        post.happens("a")
        assert post.goes_out() == 1
        (found,) = post.context.stores.webhooks.page(hook, None, 5, dead=False).items
        assert "public net" in str(found.error)
        assert receiver.told.empty()


def test_nothing_is_sent_under_a_secret_that_was_altered_in_the_database(
    post: Post, receiver: Receiver
) -> None:
    post.hook(receiver.url)
    post.happens("a")
    with post.context.database.transaction() as writing:
        writing.session.execute(
            text("UPDATE webhooks SET secret = :secret"), {"secret": bytes(60)}
        )
    assert post.goes_out() == 1
    assert receiver.told.empty()
    assert post.context.stores.webhooks.counts() == (1, 0)


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Api]:
    site = Site(tmp_path_factory.mktemp("hooks"), databases=databases)
    settings = site.settings(Service.ALL, webhook_networks=LOOPBACK)
    keys = {role: site.api_key(settings, role) for role in Role}
    with site.serve(settings) as service:
        yield Api(site, service, keys)


def test_a_service_tells_a_webhook_by_itself_and_rotates_its_secret(
    served: Api, receiver: Receiver
) -> None:
    def made(call: Callable[[], Any]) -> Any:
        reply = call()
        assert reply.is_success, reply.text
        return reply.json()

    body = {"url": receiver.url, "causes": ["apikey"]}
    hook = made(lambda: served.call("POST", "/webhooks", json=body))
    key = {"name": "n", "role": "operator"}
    made(lambda: served.call("POST", "/apikeys", json=key))
    assert receiver.next().signed_by(hook["secret"])
    path = f"/webhooks/{hook['id']}"
    again = made(lambda: served.call("POST", f"{path}/rotate"))
    made(lambda: served.call("POST", "/apikeys", json=key))
    told = receiver.next()
    assert told.signed_by(again["secret"])
    assert told.signed_by(hook["secret"])
    shown = served.call("GET", "/webhooks").text + served.call("GET", path).text
    assert "secret" not in shown.replace("previous_secret_until", "")
    assert served.call("DELETE", path).status_code == 204
    assert served.call("GET", path).status_code == 404


def test_a_receiver_that_does_not_answer_holds_up_no_other(
    tmp_path: Path,
    databases: NewDatabase,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However much waits for it, and for as long as it is waited for."""
    monkeypatch.setattr(webhooks, "SECONDS", SECONDS)
    monkeypatch.setattr(outgoing, "SECONDS", SECONDS)
    site = Site(tmp_path, databases=databases)
    settings = site.settings(Service.OWNER, webhook_networks=LOOPBACK)
    key = site.api_key(settings, Role.ADMIN)
    with receiving() as hanging, site.serve(settings) as service:
        hanging.goes_on.clear()
        for url, cause in ((hanging.url, "apikey"), (receiver.url, "webhook")):
            body = {"url": url, "causes": [cause]}
            assert service.call(key, "POST", "/webhooks", json=body).is_success
        body = {"name": "n", "role": "operator"}
        for _ in range(3 * SLOTS):
            assert service.call(key, "POST", "/apikeys", json=body).is_success
        hanging.asked.get(timeout=SECONDS)
        body = {"url": receiver.url, "causes": ["nothing"]}
        assert service.call(key, "POST", "/webhooks", json=body).is_success
        assert json.loads(receiver.next().body)["type"] == "webhook.created"
        assert hanging.told.empty()
        hanging.goes_on.set()
        for _ in range(3 * SLOTS):
            hanging.told.get(timeout=SECONDS)


def test_what_is_no_address_of_a_receiver_is_refused_at_once(served: Api) -> None:
    for url in ("ftp://a.example", "https://u:p@a.example/", "https://a.example/#b"):
        reply = served.call("POST", "/webhooks", json={"url": url})
        assert reply.status_code == 422
        assert is_problem(reply)
