"""fdo.download, the owner's side, message by message."""

import hashlib
import secrets
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from onboarding.protocol.errors import MessageRefused, ModuleFailed
from onboarding.protocol.fdo_download import CHUNK, DownloadModule, FilePush
from onboarding.protocol.modules import ModuleContext, Progress
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Guid
from tests.support.fdo_roles import NOW

ASKED = ModuleContext(
    Guid(bytes(16)),
    Guid(bytes(16)),
    ec.generate_private_key(ec.SECP256R1()).public_key(),
    NOW,
    secrets.token_bytes,
    {},
    False,
    1,
)
ACTIVE = replace(ASKED, active=True)
CONTENT = bytes(range(250)) * 10
MODULE = DownloadModule((FilePush("etc/a", CONTENT), FilePush("etc/b", b"")))


def items(messages: list[tuple[str, bytes]]) -> list[tuple[str, object]]:
    return [(name, cbor.decode(value)) for name, value in messages]


def sent_whole() -> object:
    """Return the state after the first file was sent to its last byte."""
    state, _, _ = MODULE.produce(MODULE.start(ASKED), 1300, ASKED)
    progress = Progress.MORE
    while progress is Progress.MORE:
        state, _, progress = MODULE.produce(state, 1300, ACTIVE)
    assert progress is Progress.WAITING
    return state


def test_a_file_follows_its_announcement_without_waiting_to_be_active() -> None:
    _, messages, progress = MODULE.produce(MODULE.start(ASKED), 1300, ASKED)
    digest = hashlib.sha384(CONTENT).digest()
    announced, (name, chunk) = items(messages)[:3], items(messages)[3]
    assert announced == [("name", "etc/a"), ("length", 2500), ("sha-384", digest)]
    assert name == "data"
    assert CONTENT.startswith(cbor.bstr(chunk))
    assert progress is Progress.MORE


def test_an_announcement_that_fills_a_message_is_followed_in_the_next() -> None:
    state, messages, progress = MODULE.produce(MODULE.start(ASKED), 64, ASKED)
    assert [name for name, _ in messages] == ["name", "length", "sha-384"]
    assert progress is Progress.MORE
    _, messages, _ = MODULE.produce(state, 1300, ACTIVE)
    assert items(messages)[0] == ("data", CONTENT[:CHUNK])


@pytest.mark.parametrize("budget", [64, 300, 1300, 65535])
def test_chunks_keep_to_budget_and_limit_and_make_up_the_file(budget: int) -> None:
    state, _, _ = MODULE.produce(MODULE.start(ASKED), 64, ASKED)
    got = b""
    progress = Progress.MORE
    while progress is Progress.MORE:
        state, messages, progress = MODULE.produce(state, budget, ACTIVE)
        chunks = [cbor.bstr(value) for _, value in items(messages)]
        assert max(map(len, chunks)) <= CHUNK
        assert sum(len(one) + len("fdo.download:data") + 8 for one in chunks) <= budget
        got += b"".join(chunks)
    assert got == CONTENT


def test_after_done_the_next_file_follows_and_an_empty_one_is_one_empty_chunk() -> None:
    state = MODULE.receive(sent_whole(), "done", cbor.encode(2500), ACTIVE)
    state, messages, progress = MODULE.produce(state, 1300, ACTIVE)
    assert [name for name, _ in messages] == ["name", "length", "sha-384", "data"]
    assert items(messages)[-1] == ("data", b"")
    assert progress is Progress.WAITING
    state = MODULE.receive(state, "done", cbor.encode(0), ACTIVE)
    assert MODULE.produce(state, 1300, ACTIVE) == (state, [], Progress.DONE)
    result = MODULE.result(state)
    assert (result.ok, result.facts["files"]) == (True, ["etc/a", "etc/b"])
    assert result.facts["bytes"] == 2500


def test_a_device_that_cannot_write_fails_the_module() -> None:
    with pytest.raises(ModuleFailed, match="etc/a"):
        MODULE.receive(sent_whole(), "done", cbor.encode(-1), ACTIVE)


def test_other_messages_change_nothing() -> None:
    state = sent_whole()
    assert MODULE.receive(state, "progress", b"\0", ACTIVE) == state


def test_done_before_the_end_or_of_another_length_is_refused() -> None:
    early = MODULE.produce(MODULE.start(ASKED), 1300, ASKED)[0]
    for state, length in ((early, 2500), (sent_whole(), 2499), (sent_whole(), 0)):
        with pytest.raises(MessageRefused):
            MODULE.receive(state, "done", cbor.encode(length), ACTIVE)


def test_done_that_is_no_number_is_malformed() -> None:
    with pytest.raises(MalformedError):
        MODULE.receive(sent_whole(), "done", cbor.encode("2500"), ACTIVE)


def test_no_files_are_done_at_once() -> None:
    module = DownloadModule(())
    state, messages, progress = module.produce(module.start(ASKED), 1300, ASKED)
    assert (messages, progress) == ([], Progress.DONE)
    assert module.result(state).ok


@pytest.mark.parametrize("name", ["", "n" * 256])
def test_a_file_without_a_name_or_with_an_endless_one_cannot_be_pushed(
    name: str,
) -> None:
    with pytest.raises(ValueError, match="characters"):
        FilePush(name, b"")
