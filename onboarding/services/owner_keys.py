"""What each of our owner keys may do now, as far as the database says."""

import hashlib
from dataclasses import dataclass, replace
from typing import Self

from onboarding.services.cached import Cached
from onboarding.services.errors import Problem
from onboarding.store.owner_keys import (
    Hold,
    KeyInUse,
    KeyStanding,
    KeyState,
    OwnerKeyStore,
)

FRESH_SECONDS = 1.0
_HANDED_ON = (KeyState.RETIRING, KeyState.RETIRED)


@dataclass(frozen=True, slots=True)
class Word:
    """Who says something of a key, why and when (seconds since 1970)."""

    reason: str
    actor: str
    at: int


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Everything that was said, and a digest that changes with it."""

    standings: dict[str, KeyStanding]
    mark: bytes

    @classmethod
    def of(cls, store: OwnerKeyStore) -> Self:
        found = store.all()
        mark = hashlib.sha256(repr(found).encode()).digest()
        return cls({one.fingerprint: one for one in found}, mark)


class OwnerKeys:
    """Key states, at most a second old; a change made here counts here at once.

    Raises:
        StoreError: From every method, when the database fails: a key whose state is
            not known signs nothing.
    """

    def __init__(self, store: OwnerKeyStore) -> None:
        self._store = store
        self._cached = self._fresh()

    @property
    def mark(self) -> bytes:
        """Changes with any key's state: what was made of them is stale then."""
        return self._cached.get().mark

    def standing(self, fingerprint: str) -> KeyStanding:
        """What was said of a key last; nothing at all means active."""
        known = self._cached.get().standings.get(fingerprint)
        return known or KeyStanding(fingerprint)

    def usable(self, fingerprint: str) -> bool:
        """Whether a key may sign anything."""
        return self.standing(fingerprint).state.usable

    def successor(self, fingerprint: str) -> str | None:
        """The key that takes over from one, through any number of steps.

        None for a key that has no successor, or whose last one may not be used:
        better the old key than a stolen one.
        """
        seen, one = {fingerprint}, self.standing(fingerprint)
        while one.state in _HANDED_ON and one.successor is not None:
            if one.successor in seen:
                return None
            seen.add(one.successor)
            one = self.standing(one.successor)
        if one.fingerprint == fingerprint or not one.state.usable:
            return None
        return one.fingerprint

    def holdings(self, fingerprint: str) -> dict[str, int]:
        """How many vouchers hang on a key, by how they do."""
        found = self._store.holdings(fingerprint)
        return {hold.value: found.get(hold, 0) for hold in Hold}

    def require_usable(self, fingerprint: str) -> None:
        """Raises Problem: 409; the key is retired or revoked, and says why."""
        one = self.standing(fingerprint)
        if not one.state.usable:
            raise blocked(one)

    def rotate(self, fingerprint: str, successor: str, word: Word) -> None:
        """Have ``successor`` take over.

        Raises:
            Problem: 409; one of the two is blocked, or the successor is on its way
                out itself.
            Conflict: The key's state was changed meanwhile.
        """
        one = self._now(fingerprint)
        self.require_usable(fingerprint)
        heir = self.standing(successor)
        if heir.state is not KeyState.ACTIVE:
            raise blocked(heir)
        self._say(one, KeyState.RETIRING, successor, word)

    def retire(self, fingerprint: str, word: Word, *, accept_loss: bool) -> None:
        """Give a key up, when nothing hangs on it any more.

        Args:
            accept_loss: Give it up with all that hangs on it.

        Raises:
            Problem: 409; it is blocked already, or in use: then ``holdings`` counts.
            Conflict: The key's state was changed meanwhile.
        """
        one = self._now(fingerprint)
        self.require_usable(fingerprint)
        try:
            heir = one.successor
            self._say(one, KeyState.RETIRED, heir, word, owning_nothing=not accept_loss)
        except KeyInUse as error:
            raise Problem(
                409,
                "key-in-use",
                f"{error}.",
                remedy="GET /api/v1/keys/{fingerprint}/vouchers says what each of them"
                " needs; accept_loss gives them up.",
                extra={"holdings": _counts(error)},
            ) from error

    def revoke(self, fingerprint: str, word: Word) -> None:
        """Have a lost or stolen key sign nothing from now on. Raises Conflict."""
        one = self._now(fingerprint)
        if one.state is KeyState.REVOKED:
            return
        self._say(one, KeyState.REVOKED, one.successor, word)

    def reinstate(self, fingerprint: str, word: Word) -> KeyState:
        """Let a blocked key sign again, or take a rotation back.

        A blocked key that has a successor comes back as retiring.

        Raises:
            Problem: 409; it is active.
            Conflict: The key's state was changed meanwhile.
        """
        one = self._now(fingerprint)
        if one.state is KeyState.ACTIVE:
            raise Problem(409, "key-active", "The key is active.")
        state, heir = KeyState.ACTIVE, None
        if not one.state.usable and one.successor is not None:
            state, heir = KeyState.RETIRING, one.successor
        self._say(one, state, heir, word)
        return state

    def _fresh(self) -> Cached[_Snapshot]:
        return Cached(lambda: _Snapshot.of(self._store), FRESH_SECONDS)

    def _now(self, fingerprint: str) -> KeyStanding:
        self._cached = self._fresh()
        return self.standing(fingerprint)

    def _say(
        self,
        one: KeyStanding,
        state: KeyState,
        successor: str | None,
        word: Word,
        *,
        owning_nothing: bool = False,
    ) -> None:
        new = replace(
            one,
            state=state,
            successor=successor,
            reason=word.reason,
            changed_at=word.at,
            changed_by=word.actor,
        )
        self._store.put(new, one.state, owning_nothing=owning_nothing)
        self._cached = self._fresh()


def blocked(one: KeyStanding) -> Problem:
    """What is told of a key that may not be used."""
    return Problem(
        409,
        "key-blocked",
        f"Owner key {one.fingerprint} is {one.state.value}: {one.reason}.",
        remedy="GET /api/v1/keys shows which keys are active.",
    )


def _counts(error: KeyInUse) -> dict[str, int]:
    return {hold.value: error.holdings.get(hold, 0) for hold in Hold}
