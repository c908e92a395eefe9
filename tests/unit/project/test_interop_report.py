"""The report of the interoperability tests, and adding to one."""

from pathlib import Path

from tests.support.interop.earlier import read_report
from tests.support.interop.report import Case, Peer, Report

DOCUMENT = Path(__file__).parents[3] / "docs" / "interop.md"
HEADS = ("key", "encoding")


def case(key: str, column: str, outcome: str = "passed", reason: str = "") -> Case:
    row = (key, "x509")
    return Case("A|B", "Keys", HEADS, row, column, outcome, reason, "test_a.py")


SENTENCE = Case("A|B", "", ("what",), ("it goes",), "", "failed", "", "test_a.py")
REPORT = Report(
    [Peer("go", "v1", "by `go get`")],
    [Peer("java", "`mvn`", "no")],
    [
        case("ec256", "there"),
        case("ec256", "back", "skipped", "no | such key"),
        case("rsa", "back", "skipped", "it is not there"),
        SENTENCE,
    ],
)


def test_a_report_is_read_as_it_was_written() -> None:
    assert read_report(REPORT.markdown("# Head")) == REPORT


def test_the_report_that_we_ship_is_read_and_written_to_the_same_bytes() -> None:
    text = DOCUMENT.read_text()
    head = text[: text.index("\n## ")]
    assert read_report(text).markdown(head) == text


def test_a_run_of_one_test_leaves_what_others_showed() -> None:
    earlier = read_report(REPORT.markdown("# Head"))
    now = Report([Peer("go", "v2", "here")], [], [case("ec256", "back")])
    both = now.added_to(earlier)
    assert both.peers == now.peers
    assert both.missing == REPORT.missing
    assert both.cases == [case("ec256", "there"), *now.cases, *REPORT.cases[2:]]


def test_a_cell_names_its_reason_by_number() -> None:
    text = REPORT.markdown("# Head")
    assert "| ec256 | x509 | passed | skipped (1) |" in text
    assert "| rsa | x509 |  | skipped (2) |" in text
    assert "1. no \\| such key\n2. it is not there" in text
