"""Verdicts of the FIDO Alliance's tool over several runs, and its own faults in them.

It draws keys, devices and what it spoils by chance, and gets some of it wrong itself.
A test id is passed if the tool passed it at least once, and every time it did not,
its own words are those of a fault that is written down here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from tests.support.interop.fido_tool import Verdict


@dataclass(frozen=True)
class Fault:
    """Something that the tool gets wrong.

    Args:
        tests: Pattern of the test ids, whole.
        words: What is in the error that it then states.
        why: What it does, for a reader of the report.
    """

    tests: str
    words: str
    why: str

    def explains(self, verdict: Verdict) -> bool:
        return bool(
            re.fullmatch(self.tests, verdict.test)
            and re.search(self.words, verdict.error)
        )


FAULTS = (
    Fault(
        "FIDO_TEST_VOUCHER_ENTRY_BAD_PUBKEY",
        "Error generating To1D COSE signature",
        "it sends nothing: it signs to1d by the kind of key that it has just spoilt",
    ),
    Fault(
        "FIDO_RVT_23_CHECK_RESP|FIDO_RVT_23_POSITIVE|NULL_TO1_SETUP",
        "owner signature refused 3",
        "for a P-384 device it signs with RS384 and an RSA key of 2048 bits",
    ),
    Fault(
        "FIDO_RVT_23_POSITIVE",
        "ownership voucher refused 2",
        "it has drawn a device again that is registered, with another maker's voucher",
    ),
    Fault(
        "FIDO_DOT_.*|NULL_TEST",
        "message authentication failed",
        "it leaves out zeros that an ECDH secret or point begins with: 1 run in 85",
    ),
    Fault(
        "FIDO_LISTENER_.*",
        "Error decrypting",
        "it leaves out zeros that an ECDH secret or point begins with: 1 run in 85",
    ),
    Fault(
        "FIDO_LISTENER_DEVICE_(62_BAD_OVENTRY|64_BAD_SETUPDEVICE)_COSE_SIGNATURE",
        "Expected the device to fail, but it didn't",
        "one time in three it spoils an empty header by emptying it: all is right",
    ),
)


class Verdicts:
    """What was seen of each test id, in all runs."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Verdict]] = {}

    def add(self, verdicts: Iterable[Verdict]) -> None:
        for one in verdicts:
            self._seen.setdefault(one.test, []).append(one)

    def passed(self, tests: Iterable[str]) -> bool:
        """Whether each was passed once; else another run is worth its time."""
        return all(any(one.passed for one in self._seen.get(t, ())) for t in tests)

    def strangers(self, tests: Iterable[str]) -> set[str]:
        """Ids that are in no table of ours, but of the tool's faults."""
        known = set(tests)
        return {
            test
            for test, seen in self._seen.items()
            if test not in known and any(_fault(one) is None for one in seen)
        }

    def judge(self, test: str) -> None:
        """Fail, or skip with the reason where the tool has never tried it."""
        seen = self._seen.get(test, [])
        failed = [one for one in seen if not one.passed]
        for one in failed:
            assert _fault(one) is not None, one
        assert seen, f"{test} was not run"
        if len(failed) == len(seen):
            pytest.skip(str(_fault(seen[0])))


def _fault(verdict: Verdict) -> str | None:
    return next((one.why for one in FAULTS if one.explains(verdict)), None)
