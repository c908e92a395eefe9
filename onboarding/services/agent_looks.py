"""The owner's own look at a pull agent, before a pass of its verifier counts.

A verifier in pull mode keeps nothing that could be judged again: its pass is a word. So
the agent is asked for a quote, for the log of the boot and for what is new of the IMA
list, and these are judged as on the evidence channel: by our checks and the stateless
call, with the TPM's counters and clock held to the last quote.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore

from attestation.appraisal import Channel
from attestation.asking import IMA, UEFI, Asking
from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeError
from attestation.keylime.evidence import Evidence
from attestation.keylime.results import Contact
from attestation.policy import AttestationPolicy
from onboarding.services.agent_quotes import AgentQuote, AgentQuotes, ListFrom
from onboarding.services.appraising import Appraiser, Case, Judgement
from onboarding.services.context import Context
from onboarding.services.errors import Problem
from onboarding.services.gate import Situation
from onboarding.services.ima_lists import AGAIN, LARGE_AT_ONCE, ImaLists, SentLines
from onboarding.services.judging import Judge, Seen
from onboarding.store.bindings import BindingRecord

FIRMWARE_PCR = 0  # an agent sends the event log where this is asked for


@dataclass(frozen=True, slots=True)
class AgentLook:
    """What came of one look; ``judge`` has what was shown, for other policies."""

    made: Judgement
    judge: Judge


class AgentLooks:
    """Looks at agents through ``agents``; ``client`` is asked to judge evidence."""

    def __init__(
        self, context: Context, agents: AgentQuotes, client: KeylimeClient
    ) -> None:
        self._context = context
        self._agents = agents
        self._client = client
        self._lists = ImaLists(context)
        self._whole = BoundedSemaphore(LARGE_AT_ONCE)

    def look(
        self, situation: Situation, policy: AttestationPolicy, contact: Contact
    ) -> AgentLook:
        """Have the agent show itself now, judge that, and store no verdict.

        It is asked for what policies need that are observed, too.

        Raises:
            KeylimeError: No answer of the agent, or of a verifier.
            Problem: 413; its IMA list is too long.
        """
        guid = situation.guid.raw
        held = self._lists.held(guid, policy.bank)
        first, after = held["entries"], held["pcr"]
        assert isinstance(first, int)  # noqa: S101 - as it was made
        assert isinstance(after, bytes)  # noqa: S101
        try:
            return self._look(situation, policy, contact, SentLines(first, after))
        except Problem as problem:
            if problem.code != AGAIN:
                raise
        try:
            return self._look(situation, policy, contact, SentLines())
        except Problem as problem:
            if problem.code != AGAIN:
                raise
            raise KeylimeError(f"{situation.guid}: {problem.detail}") from problem

    def _look(
        self,
        situation: Situation,
        policy: AttestationPolicy,
        contact: Contact,
        kept: SentLines,
    ) -> AgentLook:
        binding, wants = situation.binding, None
        asking = situation.held.asking_for((policy,))
        if binding is None:
            raise KeylimeError(f"{situation.guid} is not bound")
        if IMA in asking.logs | asking.optional_logs:
            limit = self._context.settings.ima_list_bytes
            wants = ListFrom(kept.first, limit)
        with self._room(situation, wants):
            said = self._agents.ask(contact, _pcrs(asking), wants)
            after = kept.after if said.first else b""
            sent = SentLines(said.first, after, said.lines)
            evidence = _evidence(said, binding, policy)
            seen = Seen(situation.guid, evidence, self._context.now(), sent)
            judge = Judge(self._context, self._client, seen)
            case = Case(
                seen,
                binding,
                policy,
                Channel.PULL,
                situation.held.update,
                in_turn=True,
            )
            return AgentLook(Appraiser(self._context, judge).judge(case), judge)

    @contextmanager
    def _room(self, situation: Situation, wants: ListFrom | None) -> Iterator[None]:
        """A block in which a whole list may be in memory, of a few agents at once."""
        if wants is None:
            yield
        elif wants.first == 0:
            with self._whole:
                yield
        else:
            with self._lists.turn(situation.guid.raw):
                yield


def _pcrs(asking: Asking) -> set[int]:
    """PCRs to have quoted."""
    firmware = UEFI in asking.logs | asking.optional_logs
    return {*asking.pcrs, *((FIRMWARE_PCR,) if firmware else ())}


def _evidence(
    said: AgentQuote, binding: BindingRecord, policy: AttestationPolicy
) -> Evidence:
    return Evidence(
        said.nonce,
        binding.ak_public,
        binding.ek_public,
        said.message,
        said.signature,
        said.pcr_blob,
        policy.pcrs,
        uefi_log=said.boot_log,
    )
