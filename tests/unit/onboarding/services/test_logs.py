"""Log lines: what they say besides their words, as text and as JSON."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from onboarding.services import log_bounds, logs
from onboarding.services.log_bounds import KINDS, OF_ALL, OF_SOURCE, SECONDS, Bounds
from onboarding.services.logs import LogFormat
from ownership_vouchers.keys import load_certificate
from tests.support.supply_chain import new_key

GUID = "01020304-0506-0708-090a-0b0c0d0e0f10"
log = logging.getLogger("onboarding.test")


@contextmanager
def lines(form: LogFormat) -> Iterator[list[str]]:
    """What is logged in the block, a line each."""
    stream, found = io.StringIO(), list[str]()
    with logs.written(logging.DEBUG, form, "owner", stream):
        yield found
    found += stream.getvalue().splitlines()


def test_a_line_of_json_says_its_role_device_run_request_and_task() -> None:
    with lines(LogFormat.JSON) as found:
        with logs.about(request="r1", task="to0"):
            log.info("words %d", 7, extra=logs.of(run="ab", guid=GUID, other=None))
        log.warning("alone")
    first, second = map(json.loads, found)
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "info",
        "logger": "onboarding.test",
        "role": "owner",
        "message": "words 7",
        "request": "r1",
        "task": "to0",
        "run": "ab",
        "guid": GUID,
    }
    assert set(second) == {"time", "level", "logger", "role", "message"}


def test_a_line_of_text_says_them_at_its_end() -> None:
    with lines(LogFormat.TEXT) as found, logs.about(task="to0", **logs.subject(GUID)):
        log.info("words")
    assert found[0].endswith(f"INFO onboarding.test words [task=to0 guid={GUID}]")


@pytest.mark.parametrize("form", LogFormat)
def test_what_others_sent_stays_on_one_line_and_commands_no_terminal(
    form: LogFormat,
) -> None:
    with lines(form) as found:
        log.info("refused: %s", "a\nFORGED\x1b[2J\u2028x")
    (line,) = found
    assert "\x1b" not in line
    assert "\u2028" not in line


def test_a_traceback_is_in_its_line_of_json() -> None:
    with lines(LogFormat.JSON) as found:
        log.error("failed", exc_info=RuntimeError("why"))
    (line,) = found
    assert "RuntimeError: why" in json.loads(line)["exception"]


def test_an_error_is_logged_with_what_was_said_of_it_where_it_was_raised() -> None:
    error = ValueError("x")
    assert logs.tags_of(error) == {}
    logs.tag(error, run="ab")
    logs.tag(error, guid=GUID)
    assert logs.tags_of(error) == {"run": "ab", "guid": GUID}


def test_blocks_add_to_what_is_around_them_and_take_it_away_again() -> None:
    found: list[Any] = []
    with lines(LogFormat.JSON) as said:
        with logs.about(request="r"):
            with logs.about(guid=GUID):
                log.info("in")
            log.info("out")
    found = [json.loads(one) for one in said]
    assert [one.get("guid") for one in found] == [GUID, None]
    assert [one["request"] for one in found] == ["r", "r"]


def test_what_a_task_is_about_is_a_device_or_something_else() -> None:
    assert logs.subject(GUID.replace("-", "")) == {"guid": GUID}
    assert logs.subject("push") == {"subject": "push"}


def test_other_packages_write_no_debug_lines() -> None:
    with lines(LogFormat.TEXT) as found:
        logging.getLogger("httpcore.http11").debug("headers with a token")
        log.debug("ours")
    (line,) = found
    assert "ours" in line


def refuse(kind: str, source: str, text: str = "refused") -> None:
    log.info(text, extra=logs.refused(kind, source, guid=GUID))


def test_lines_that_strangers_cause_are_bounded_and_the_rest_are_counted() -> None:
    with lines(LogFormat.JSON) as found:
        for _ in range(OF_SOURCE + 1000):
            refuse("401", "192.0.2.1")
        refuse("401", "192.0.2.2", "another address has lines of its own")
        refuse("403", "192.0.2.1", "another code has lines of its own")
        log.info("what no stranger causes is written")
    told = [json.loads(line) for line in found]
    assert [one["message"] for one in told[:OF_SOURCE]] == ["refused"] * OF_SOURCE
    assert {one["guid"] for one in told[:OF_SOURCE]} == {GUID}
    *rest, last = (one["message"] for one in told[OF_SOURCE:])
    assert len(rest) == 3
    assert last.startswith("1000 more lines of refusals (401) were left out in ")


def test_as_many_addresses_as_there_are_cause_no_more_lines_together() -> None:
    with lines(LogFormat.TEXT) as found:
        for n in range(OF_ALL * 3):
            refuse("404", f"2001:db8:{n:x}::/64")
    assert len(found) == OF_ALL + 1
    assert f" {OF_ALL * 2} more lines of refusals (404) " in found[-1]


def test_what_was_left_out_is_told_when_its_time_is_over_and_lines_begin_anew() -> None:
    now = [0.0]
    bounds = Bounds(lambda: now[0])
    admitted = [bounds.admit("429", "a") for _ in range(OF_SOURCE + 2)]
    assert admitted == [True] * OF_SOURCE + [False] * 2
    now[0] = SECONDS - 1
    assert not bounds.admit("429", "a")
    assert list(bounds.over()) == []
    now[0] = SECONDS
    (told,) = bounds.over()
    assert told == "3 more lines of 429 were left out in 60 s"
    assert list(bounds.over()) == []
    assert bounds.admit("429", "a")


def test_no_more_kinds_are_kept_apart_than_there_are() -> None:
    bounds = Bounds(lambda: 0.0)
    for n in range(KINDS * 2):
        assert bounds.admit(str(n), str(n))
    assert len(bounds._windows) == KINDS + 1


def test_a_sweep_tells_though_no_other_line_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    with logs.written(logging.INFO, LogFormat.TEXT, "owner", stream):
        for _ in range(OF_SOURCE + 7):
            refuse("401", "192.0.2.1")
        monkeypatch.setattr(log_bounds, "SECONDS", 0.0)
        logs.sweep()
        assert "7 more lines of refusals (401)" in stream.getvalue()


def test_a_name_too_long_in_a_certificate_writes_nothing() -> None:
    """The FIDO Alliance's conformance tool has such devices; cryptography warns."""
    key = new_key("P-256")
    with warnings.catch_warnings(action="ignore"):
        part = x509.NameAttribute(NameOID.COMMON_NAME, "x" * 97, _validate=False)
    name, day = x509.Name([part]), datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(day).not_valid_after(day + timedelta(days=1))
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    with pytest.warns(UserWarning, match="but it was 97"):
        load_certificate(der)
    with lines(LogFormat.JSON) as found:
        load_certificate(der)  # tests make an error of a warning
    assert found == []
