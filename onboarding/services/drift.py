"""Keylime's record held against ours, and mended: whatever may be done twice.

Ours is what counts. What Keylime has of a device follows from its binding and from what
it is held to, so a device that differs is enrolled anew.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from attestation.appraisal import Channel
from attestation.keylime.drift import (
    STRANGE,
    Drift,
    DriftKind,
    Expected,
    Found,
    compare,
)
from attestation.keylime.errors import KeylimeError
from attestation.keylime.held import HeldTo
from attestation.keylime.listing import KeylimeListing
from attestation.keylime.results import Enrolment
from onboarding.services import enrol_task, turns
from onboarding.services.context import Context
from onboarding.services.gate import Gate
from onboarding.services.holding import told
from onboarding.services.keylime_link import KeylimeLink
from onboarding.services.turns import Turn
from onboarding.store.errors import NotFound
from onboarding.store.events import Event
from ownership_vouchers.types import Guid

MAX_KEYS = 1000  # agents whose keys are asked for, one by one, in a look
_ENROL = frozenset(
    {DriftKind.NOT_ENROLLED, DriftKind.OTHER_POLICY, DriftKind.NOT_WANTED}
)
_LOGGED = 64  # names in the audit event


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found; ``agents`` are ours, ``keys`` how many were compared."""

    at: int
    agents: int
    keys: int
    drifts: tuple[Drift, ...]

    def counts(self) -> Mapping[DriftKind, int]:
        """How many of each kind, those without any too."""
        found = Counter(one.kind for one in self.drifts)
        return {kind: found[kind] for kind in DriftKind}


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done about one difference: planned, removed, left, or why not."""

    drift: Drift
    done: str


class DriftDesk:
    """Looks at Keylime's record, and mends it by ours."""

    def __init__(self, context: Context, link: KeylimeLink) -> None:
        self._context = context
        self._client = link.client
        calling = () if link.pull is None else (link.pull.client,)
        self._verifiers = tuple(KeylimeListing(one) for one in (link.client, *calling))

    def look(self) -> Look:
        """Compare all that both know. Raises KeylimeError."""
        lists = self._verifiers
        enrolled = {k: v for one in lists for k, v in one.enrolled().items()}
        expected = self._expected(enrolled)
        registered = lists[0].registered()
        asked = sorted(expected.keys() & registered)[:MAX_KEYS]
        found = Found(
            enrolled,
            registered,
            dict(self._keys(asked)),
            frozenset().union(*(one.runtime_policies() for one in lists)),
            frozenset().union(*(one.measured_boot_policies() for one in lists)),
        )
        drifts = compare(expected, found)
        return Look(self._context.now(), len(expected), len(found.keys), drifts)

    def mend(self, actor: str, *, strangers: bool) -> tuple[Mended, ...]:
        """Look, and do what can be done; strangers are removed only if that is said.

        Devices of ours are enrolled anew in the background. Raises KeylimeError when
        there is nothing to look at.
        """
        done = tuple(self._mend(one, strangers) for one in self.look().drifts)
        changed = [one for one in done if one.done in ("planned", "removed")]
        if changed:
            names = [f"{one.drift.kind}: {one.drift.name}" for one in changed[:_LOGGED]]
            detail = {"changed": len(changed), "first": names}
            event = Event("keylime.mended", actor, self._context.now(), detail=detail)
            self._context.stores.events.append(event)
        return done

    def _mend(self, one: Drift, strangers: bool) -> Mended:
        if one.kind in STRANGE and not strangers:
            return Mended(one, "left")
        try:
            return Mended(one, self._act(one))
        except KeylimeError as error:
            return Mended(one, f"not done: {error}"[:300])

    def _act(self, one: Drift) -> str:
        if one.kind in _ENROL:
            guid = Guid.parse(one.name).raw
            enrol_task.plan(self._context.stores, guid, self._context.now())
            return "planned"
        if one.kind in (DriftKind.STRANGE_REGISTRATION, DriftKind.OTHER_KEYS):
            self._client.unregister(one.name)
            return "removed"
        if one.kind is DriftKind.NOT_REGISTERED:
            return "left"  # only the device's own TPM can register it
        for each in self._verifiers:
            _remove(each, one)
        return "removed"

    def _expected(self, enrolled: Mapping[str, Enrolment]) -> dict[str, Expected]:
        gate, found = Gate(self._context), dict[str, Expected]()
        bindings = self._context.stores.bindings
        pushing = bindings.enrolled_on(Channel.PUSH.value)
        for guid in (*pushing, *bindings.enrolled_on(Channel.PULL.value)):
            try:
                situation = gate.situation(guid)
            except NotFound:
                continue  # deleted meanwhile
            binding, agent = situation.binding, str(Guid(guid))
            if binding is None:
                continue
            channel = Channel(binding.channel)
            there = enrolled[agent].held_to if agent in enrolled else ""
            now = turns.turn(situation.held, channel, instead=there)
            pushes = channel is Channel.PUSH
            if now is None and pushes and situation.learning:
                now = turns.SHOWS_ITSELF
            known = [told(one) for one in turns.versions(situation.held, channel)]
            keys = binding.ek_public, binding.ak_public
            found[agent] = _expected(now, known, keys)
        return found

    def _keys(self, agents: Iterable[str]) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
        for agent in agents:
            entry = self._client.registered(agent)
            if entry is not None:
                yield agent, (entry.ek_public, entry.ak_public)


def _expected(
    now: Turn | None, known: Iterable[HeldTo], keys: tuple[bytes, bytes]
) -> Expected:
    """What the verifier should have, and names of ``known`` that it may have."""
    if now is None:
        return Expected(None, *keys)
    kept = _named(n for one in known for n in (one.runtime_name, one.boot_name))
    names = _named((now.told.runtime_name,)), _named((now.told.boot_name,))
    if not any(names):  # the PCRs say it all
        return Expected(now.pcrs, *keys, kept=kept)
    return Expected(now.pcrs, *keys, now.told.policy, *names, kept)


def _named(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name in names if name)


def _remove(verifier: KeylimeListing, stranger: Drift) -> None:
    match stranger.kind:
        case DriftKind.STRANGE_RUNTIME_POLICY:
            verifier.drop("allowlists", stranger.name)
        case DriftKind.STRANGE_MEASURED_BOOT:
            verifier.drop("mbpolicies", stranger.name)
        case _:
            verifier.unenrol(stranger.name)
