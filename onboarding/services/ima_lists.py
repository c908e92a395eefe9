"""The IMA list of a device, kept here, so that only what is new in it is sent.

The owner says how far it has the list; what the device sends follows on that, or is the
list from its first entry on. Lines come ahead of a quote when there are many, the last
ones with it. A list that was true and does not go on to the quote is asked for anew;
one that came whole and does not is refused, with the first thing in it that differs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import BoundedSemaphore

from attestation.appraisal import AppraisalFailure
from attestation.ima_check import ImaCheck, check_ima, first_difference, follow
from hw.errors import HwError
from hw.ima import IMA_PCR
from hw.ima_replay import Extends, ImaState
from hw.quote import QuoteFacts
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.store.errors import Conflict, NotFound
from onboarding.store.ima_lists import ListHead

AGAIN = "ima-list-again"  # the problem: it is to come from its first entry on
LARGE = 1024 * 1024  # bytes of a list, from which on few are judged at once
LARGE_AT_ONCE = 2  # each is in memory several times while Keylime is asked
LARGE_WAIT = 60.0  # seconds for a turn
TOUCHED = 86400  # seconds after which a list in use is noted to be so
_WAYS: dict[str, Extends | None] = {"": None, "hashed": "hashed", "padded": "padded"}


@dataclass(frozen=True, slots=True)
class SentLines:
    """Lines of a list, and what they follow on: an entry's number, and PCR 10 there.

    ``after`` is what the owner gave out as ``pcr``; it is not looked at where the lines
    begin the list.
    """

    first: int = 0
    after: bytes = b""
    lines: bytes = b""


class ImaLists:
    """What is kept of lists, read and gone on with."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.stores.ima_lists
        self._large = BoundedSemaphore(LARGE_AT_ONCE)

    def held(self, guid: bytes, bank: str) -> dict[str, object]:
        """How far the list is kept: entries, bytes, and what PCR 10 is there."""
        head = self._head(guid)
        if head is None or head.bank != bank:
            return _shown(0, 0, ImaState.at_boot(bank).value)
        return _shown(head.entries, head.size, head.value)

    def append(self, guid: bytes, bank: str, sent: SentLines) -> dict[str, object]:
        """Keep lines that come ahead of a quote; say how far the list is kept now.

        Raises:
            Problem: 409; they do not follow. 413; the list is too long. 422; they are
                no lines of a list.
        """
        before = self._head(guid)
        try:
            state = follow(_start(before, bank, sent), sent.lines)
        except HwError as error:
            raise Problem(422, "ima-lines-refused", str(error)) from error
        head = self._grown(guid, before, sent, state, sent.lines)
        self._put(before, head, sent.lines)
        return _shown(head.entries, head.size, head.value)

    def judge(
        self, guid: bytes, bank: str, sent: SentLines, facts: QuoteFacts
    ) -> ImaCheck:
        """Hold the list to a genuine quote; keep as much of it as the quote covers.

        Raises:
            Problem: 409; it is to be sent from its first entry on. 413; it is too long.
        """
        before = self._head(guid)
        ran = check_ima(_start(before, bank, sent), sent.lines, facts.pcrs)
        if ran.state is None:
            return self._refused(before, sent, ran, facts)
        head = self._grown(guid, before, sent, ran.state, ran.covered)
        head = replace(head, covered=head.entries, resets=facts.reset_count)
        if _is_news(before, head):
            self._put(before, head, ran.covered)
        return ran

    def followed(
        self, guid: bytes, bank: str, sent: SentLines, facts: QuoteFacts
    ) -> ImaCheck | None:
        """Go on with a list of which a verifier says how far it has come.

        None where the lines between that and what is kept are missing here: then none
        are kept. Lines that were read before are not read again.

        Raises:
            Problem: As ``judge``.
        """
        before = self._head(guid)
        if before is None or sent.first == 0:
            return None if sent.first else self.judge(guid, bank, sent, facts)
        if before.bank == bank and before.entries > sent.first:
            if before.value.hex() == facts.pcrs.get(IMA_PCR):
                return ImaCheck((), _state(before))
        elif before.bank == bank and before.entries == sent.first:
            goes_on = replace(sent, after=before.value)
            return self.judge(guid, bank, goes_on, facts)
        if before.entries:
            self._put(before, _emptied(before), b"")
        return None

    def covered(self, guid: bytes, entries: int) -> str:
        """The first ``entries`` of the list, which ``judge`` found the quote to cover.

        Raises:
            Problem: 409; another request of the device began the list anew meanwhile.
        """
        head = self._head(guid)
        if head is None or head.entries < entries:
            raise _again("The IMA list was begun anew meanwhile.")
        lines = self._store.lines(head)
        if head.entries > entries:
            lines = b"\n".join(lines.split(b"\n", entries)[:entries]) + b"\n"
        return lines.decode()

    @contextmanager
    def turn(self, guid: bytes) -> Iterator[None]:
        """A block in which a device's whole list may be in memory.

        Raises:
            Problem: 503; too many large ones are.
        """
        head = self._head(guid)
        if head is None or head.size <= LARGE:
            yield
            return
        if not self._large.acquire(timeout=LARGE_WAIT):
            raise Problem(
                503,
                "busy",
                "Other long IMA lists are being judged.",
                remedy="Try again in a minute.",
            )
        try:
            yield
        finally:
            self._large.release()

    def _refused(
        self,
        before: ListHead | None,
        sent: SentLines,
        ran: ImaCheck,
        facts: QuoteFacts,
    ) -> ImaCheck:
        """Forget what led nowhere; ask for all of it, or name what differs in it."""
        if before is None:
            return ran
        whole = sent.lines
        if sent.first and not before.covered:
            whole = self._store.lines(before) + whole
        if sent.first:
            self._put(before, _emptied(before), b"")
        if sent.first and before.covered:
            raise _again(
                "The IMA list does not go on to the PCR 10 that was quoted: the machine"
                " has started anew, or its list is another than it was."
            )
        if not whole or before.resets != facts.reset_count:
            return ran
        true = (
            self._store.lines(before) if before.covered else self._store.older(before)
        )
        return _named(ran, first_difference(true, whole)) if true else ran

    def _grown(
        self,
        guid: bytes,
        before: ListHead | None,
        sent: SentLines,
        state: ImaState,
        lines: bytes,
    ) -> ListHead:
        """The list with lines behind it, or a new one that begins with them."""
        at = self._context.now()
        goes_on = before is not None and sent.first > 0
        head = ListHead(
            guid,
            0 if before is None else before.generation + (not goes_on),
            state.bank,
            state.count,
            len(lines) + (before.size if before is not None and goes_on else 0),
            state.value,
            state.padded,
            state.extends or "",
            before.covered if before is not None and goes_on else 0,
            0 if before is None else before.resets,
            at,
        )
        settings = self._context.settings
        limits = settings.ima_list_entries, settings.ima_list_bytes
        if head.entries > limits[0] or head.size > limits[1]:
            raise _too_long(*limits)
        return head

    def _put(self, before: ListHead | None, head: ListHead, lines: bytes) -> None:
        try:
            self._store.put(before, head, lines)
        except Conflict as error:
            raise _again(str(error)) from error

    def _head(self, guid: bytes) -> ListHead | None:
        try:
            return self._store.get(guid)
        except NotFound:
            return None


def _start(before: ListHead | None, bank: str, sent: SentLines) -> ImaState:
    """Where the lines begin. Raises Problem."""
    if sent.first == 0:
        return ImaState.at_boot(bank)
    known = before is not None and before.bank == bank
    if before is None or not known or sent.first != before.entries:
        raise _again("The lines do not follow on what is kept of the IMA list.")
    if sent.after != before.value:
        raise _again("The IMA list that is kept is another than the lines follow on.")
    return _state(before)


def _state(head: ListHead) -> ImaState:
    way = _WAYS[head.extends]
    return ImaState(head.bank, head.entries, head.value, way, head.padded)


def _emptied(head: ListHead) -> ListHead:
    """A generation in which nothing has come yet."""
    start = ImaState.at_boot(head.bank)
    return replace(
        head,
        generation=head.generation + 1,
        entries=0,
        size=0,
        value=start.value,
        padded=start.padded,
        extends="",
        covered=0,
    )


def _is_news(before: ListHead | None, head: ListHead) -> bool:
    if before is None or head.at - before.at > TOUCHED:
        return True
    return replace(head, at=before.at) != before


def _named(ran: ImaCheck, said: str) -> ImaCheck:
    first, *rest = ran.failures
    failure = AppraisalFailure(first.type, f"{first.message}; {said}")
    return replace(ran, failures=(failure, *rest))


def _shown(entries: int, size: int, pcr: bytes) -> dict[str, object]:
    return {"entries": entries, "bytes": size, "pcr": pcr}


def _again(detail: str) -> Problem:
    return Problem(
        409,
        AGAIN,
        detail,
        remedy="Ask attest/challenge how far the list is kept, and go on from there.",
    )


def _too_long(entries: int, size: int) -> Problem:
    return Problem(
        413,
        "ima-list-too-long",
        f"An IMA list may have {entries} entries and {size} bytes here.",
        remedy="Have its kernel measure less, start it anew, or raise"
        " VOUCHGATE_IMA_LIST_ENTRIES and VOUCHGATE_IMA_LIST_BYTES.",
    )
