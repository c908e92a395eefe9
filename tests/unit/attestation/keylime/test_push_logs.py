"""Which logs a pushing device offers and sends; the real verifier asks in tests/e2e."""

import base64
from pathlib import Path

import pytest

from attestation.keylime import push_logs
from attestation.keylime.answers import Answer
from attestation.keylime.errors import KeylimeError
from attestation.keylime.push_logs import PushLogs
from hw.kernel_logs import KernelLogs

LINES = b"10 aa ima-ng sha256:bb /a\n10 cc ima-ng sha256:dd /b\n"
UEFI = Answer("asked", {"evidence_type": "uefi_log"})
LIST = Answer(
    "asked", {"evidence_type": "ima_log", "chosen_parameters": {"starting_offset": 1}}
)


@pytest.fixture
def logs(tmp_path: Path) -> PushLogs:
    (tmp_path / "uefi").write_bytes(b"a log")
    (tmp_path / "ima").write_bytes(LINES)
    return PushLogs(KernelLogs(tmp_path, tmp_path / "uefi", tmp_path / "ima"))


def kinds(offered: list[object]) -> list[object]:
    return [one["evidence_type"] for one in offered if isinstance(one, dict)]


def test_what_there_is_is_offered_and_nothing_else(
    tmp_path: Path, logs: PushLogs
) -> None:
    assert kinds(logs.offered()) == ["uefi_log", "ima_log"]
    assert PushLogs().offered() == []
    assert PushLogs(KernelLogs(tmp_path)).offered() == []
    listed = PushLogs(KernelLogs(tmp_path, ima=tmp_path / "ima"))
    assert kinds(listed.offered()) == ["ima_log"]


def test_what_is_asked_for_is_sent_in_that_order(logs: PushLogs) -> None:
    one, two = logs.sent((UEFI, LIST))
    assert isinstance(one, dict)
    assert isinstance(two, dict)
    assert base64.b64decode(one["data"]["entries"]) == b"a log"
    assert two["data"] == {"entry_count": 1, "entries": LINES.decode()[26:]}


def test_anything_else_that_is_asked_for_is_refused(logs: PushLogs) -> None:
    with pytest.raises(KeylimeError, match="asks for 'tpm_quote'"):
        logs.sent((Answer("asked", {"evidence_type": "tpm_quote"}),))


def test_logs_share_what_one_attestation_carries(
    logs: PushLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_logs, "LIST_LIMIT", 30)
    logs.sent((LIST,))
    with pytest.raises(KeylimeError, match="over 22 bytes"):
        logs.sent((UEFI, LIST))
