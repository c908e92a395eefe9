"""fdo.upload, fdo.command and fdo.wget, the owner's side, message by message."""

import hashlib
from typing import Any

import pytest

from onboarding.protocol.errors import MessageRefused, ModuleFailed
from onboarding.protocol.fdo_command import TAIL, Arguments, CommandModule
from onboarding.protocol.fdo_upload import MAX_BYTES, UploadModule
from onboarding.protocol.fdo_wget import WgetModule
from onboarding.protocol.modules import OwnerModule, Progress
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from tests.support.module_pair import context

URL = "https://files.example.test/app/agent"
UPLOAD = UploadModule("/var/log/x", max_bytes=2000)
COMMAND = CommandModule("/bin/a", ("b", "c"))
WGET = WgetModule(URL)
CONTENT = bytes(1500)
DIGEST = hashlib.sha384(CONTENT).digest()


def begun(module: OwnerModule) -> tuple[object, dict[str, object]]:
    """Return the state after the order, and what was said."""
    state, messages, progress = module.produce(module.start(context()), 1300, context())
    assert progress is Progress.WAITING
    assert module.produce(state, 1300, context()) == (state, [], Progress.WAITING)
    return state, {what: cbor.decode(value) for what, value in messages}


def heard(module: OwnerModule, *said: tuple[str, object]) -> object:
    state, _ = begun(module)
    for message, value in said:
        state = module.receive(state, message, cbor.encode(value), context())
    return state


def ended(module: OwnerModule, *said: tuple[str, object]) -> dict[str, Any]:
    state = heard(module, *said)
    assert module.produce(state, 1300, context()) == (state, [], Progress.DONE)
    result = module.result(state)
    assert result.ok
    return dict(result.facts)


def test_an_upload_is_asked_for_by_name_and_digest() -> None:
    assert begun(UPLOAD)[1] == {"need-sha": True, "name": "/var/log/x"}


def test_an_upload_ends_with_its_digest() -> None:
    parts = [("length", 1500), ("data", bytes(1014)), ("data", bytes(486))]
    facts = ended(UPLOAD, *parts, ("sha-384", DIGEST))
    assert (facts["content"], facts["bytes"]) == (CONTENT, 1500)


def test_an_upload_without_digest_ends_with_its_length_or_an_empty_piece() -> None:
    bare = UploadModule("/a", need_digest=False)
    assert ended(bare, ("length", 3), ("data", b"ab"), ("data", b"c"))["bytes"] == 3
    assert ended(bare, ("length", 0), ("data", b""))["bytes"] == 0
    assert ended(bare, ("data", b"ab"), ("data", b""))["content"] == b"ab"


def test_an_empty_upload_may_come_without_any_piece() -> None:
    digest = hashlib.sha384(b"").digest()
    assert ended(UPLOAD, ("length", 0), ("sha-384", digest))["bytes"] == 0


FAILED: dict[str, tuple[OwnerModule, list[tuple[str, object]], str]] = {
    "upload: length over the limit": (UPLOAD, [("length", 2001)], "over 2000"),
    "upload: data over the limit": (UPLOAD, [("data", bytes(2001))], "over 2000"),
    "upload: data over its length": (
        UPLOAD,
        [("length", 2), ("data", b"abc")],
        "longer than",
    ),
    "upload: another digest": (
        UPLOAD,
        [("data", CONTENT), ("sha-384", bytes(48))],
        "not what its SHA-384",
    ),
    "upload: less than its length": (
        UPLOAD,
        [("length", 1501), ("data", CONTENT), ("sha-384", DIGEST)],
        "ended after 1500",
    ),
    "wget: an error": (WGET, [("error", "HTTP 404\n")], r"'HTTP 404\\n'"),
    "wget: -1": (WGET, [("done", -1)], "found -1 bytes"),
    "wget: another length": (WgetModule(URL, length=5), [("done", 4)], "found 4"),
}


@pytest.mark.parametrize("name", FAILED)
def test_what_did_not_arrive_fails_the_module_and_names_it(name: str) -> None:
    module, said, why = FAILED[name]
    with pytest.raises(ModuleFailed, match=why) as failed:
        heard(module, *said)
    assert failed.value.facts["item"] in ("/var/log/x", "agent")


REFUSED: dict[str, tuple[OwnerModule, list[tuple[str, object]]]] = {
    "upload: length twice": (UPLOAD, [("length", 1), ("length", 1)]),
    "upload: data after the end": (
        UPLOAD,
        [("data", CONTENT), ("sha-384", DIGEST), ("data", b"x")],
    ),
    "command: output after the end": (COMMAND, [("exitcode", 0), ("stdout", b"x")]),
    "wget: done twice": (WGET, [("done", 1), ("done", 1)]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_message_out_of_turn_is_refused(name: str) -> None:
    module, said = REFUSED[name]
    with pytest.raises(MessageRefused):
        heard(module, *said)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (UPLOAD, "length"),
        (UPLOAD, "data"),
        (UPLOAD, "sha-384"),
        (COMMAND, "stdout"),
        (COMMAND, "stderr"),
        (COMMAND, "exitcode"),
        (WGET, "done"),
        (WGET, "error"),
    ],
)
def test_nothing_is_taken_before_it_was_asked_for_nor_of_another_type(
    module: OwnerModule, message: str
) -> None:
    with pytest.raises(MessageRefused):
        module.receive(module.start(context()), message, b"\0", context())
    with pytest.raises(MalformedError):
        heard(module, (message, None))


@pytest.mark.parametrize("module", [UPLOAD, COMMAND, WGET])
def test_other_messages_change_nothing(module: OwnerModule) -> None:
    state, _ = begun(module)
    assert module.receive(state, "progress", b"\0", context()) == state


def test_a_program_is_ordered_so_that_it_may_fail() -> None:
    said = begun(COMMAND)[1]
    assert list(said) == [
        "command",
        "args",
        "may_fail",
        "return_stdout",
        "return_stderr",
        "execute",
    ]
    assert (said["may_fail"], said["execute"]) == (True, None)


def test_arguments_are_wrapped_but_for_old_devices_and_as_told() -> None:
    wrapped, bare = cbor.encode(["b", "c"]), ["b", "c"]
    for form, modules, expected in (
        (Arguments.AUTO, ("devmod",), wrapped),
        (Arguments.AUTO, ("fdo_sys", "fdo.command"), bare),
        (Arguments.ARRAY, (), bare),
        (Arguments.WRAPPED, ("fdo_sys",), wrapped),
    ):
        module = CommandModule("/bin/a", ("b", "c"), form=form)
        ctx = context(modules=modules)
        _, messages, _ = module.produce(module.start(ctx), 1300, ctx)
        said = {name: cbor.decode(value) for name, value in messages}
        assert said["args"] == expected
        assert said["execute"] is (True if expected is bare else None)


def test_a_program_without_arguments_is_sent_none() -> None:
    assert "args" not in begun(CommandModule("/bin/a"))[1]


def test_of_output_the_tail_is_kept_and_all_is_counted() -> None:
    facts = ended(
        COMMAND,
        ("stdout", bytes(TAIL)),
        ("stdout", b"end"),
        ("stderr", b"e"),
        ("exitcode", 0),
    )
    assert facts["stdout"] == bytes(TAIL - 3) + b"end"
    assert (facts["bytes"], facts["stderr"]) == (TAIL + 4, b"e")


@pytest.mark.parametrize("may_fail", [False, True])
def test_an_exit_code_is_judged_here(may_fail: bool) -> None:
    module = CommandModule("/bin/a", may_fail=may_fail)
    assert module.result(heard(module, ("exitcode", 2))).ok is may_fail


def test_a_fetch_is_ordered_with_its_url_last() -> None:
    module = WgetModule(URL, digest=bytes(48))
    assert list(begun(module)[1]) == ["sha-384", "name", "url"]
    assert begun(WGET)[1] == {"name": "agent", "url": URL}


BAD: dict[str, tuple[type, dict[str, Any]]] = {
    "upload without a name": (UploadModule, {"path": ""}),
    "upload of no bytes": (UploadModule, {"path": "/a", "max_bytes": 0}),
    "upload over all bounds": (
        UploadModule,
        {"path": "/a", "max_bytes": MAX_BYTES + 1},
    ),
    "command without a name": (CommandModule, {"command": ""}),
    "too many arguments": (CommandModule, {"command": "a", "arguments": ("x",) * 65}),
    "a long argument": (CommandModule, {"command": "a", "arguments": ("x" * 1025,)}),
    "another scheme": (WgetModule, {"url": "file:///etc/passwd"}),
    "no host": (WgetModule, {"url": "https:///a"}),
    "no name": (WgetModule, {"url": "https://files.example.test/"}),
    "a long URL": (WgetModule, {"url": URL + "x" * 2048}),
    "a short digest": (WgetModule, {"url": URL, "digest": b"x"}),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_asked_for_cannot_be_made(name: str) -> None:
    kind, arguments = BAD[name]
    with pytest.raises(ValueError, match=r"."):
        kind(**arguments)
