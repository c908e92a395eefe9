"""Protocol steps joined to sessions: any message, any replica.

A peer that has proved nothing costs no storage: its state is sealed into the
one token of its run. From the proof on, the state is a row that moves by
compare-and-swap, so a copy of a message, or one that races another, is refused.
DI's is a row at once, and its token short: any peer may have a voucher stored.

Source: FDO.md 2.10 in our reference; FDO 1.1, section 4.3.
"""

import logging
import time
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any

from prometheus_client import Counter

from onboarding.protocol import errors
from onboarding.protocol.step import State, Step
from onboarding.services import logs
from onboarding.services.fdo_front import DIRECT, Arrival, FdoResponse
from onboarding.services.meters import Meters
from onboarding.services.protocol_role import ProtocolRole
from onboarding.services.run_notes import said_of
from onboarding.services.run_tokens import token_of
from onboarding.services.tracing import Tracer
from onboarding.services.warm_runs import FailedProofs, Run, WarmRuns, key_of
from onboarding.store import errors as store_errors
from onboarding.store.runs import RunStore
from onboarding.store.server_keys import ServerKeys
from onboarding.store.tokens import id_of
from ownership_vouchers.errors import DecryptError, MalformedError, VoucherError

log = logging.getLogger(__name__)

# Anyone on the path can send these with a copied token: they end nothing.
_HARMLESS = (errors.UnexpectedMessage, DecryptError, MalformedError)


class FdoRole:
    """The message handler of a service: one or several protocol roles.

    Each message is noted by ``tracer``, which decides nothing.
    """

    def __init__(
        self,
        roles: Iterable[ProtocolRole],
        keys: ServerKeys,
        runs: RunStore,
        tracer: Tracer,
        clock: Callable[[], float] = time.time,
        ended: Counter | None = None,
    ) -> None:
        self._roles = tuple(roles)
        self._by_type = {
            int(kind): (role, kind)
            for role in self._roles
            for kind in role.server.messages
        }
        self._keys = keys
        self._runs = runs
        self._tracer = tracer
        self._clock = clock
        self._ended = ended or Meters().runs
        self._opened = WarmRuns()
        self._warm = WarmRuns()
        self._failed = FailedProofs()

    def handle(
        self,
        number: int,
        body: bytes,
        authorization: str | None,
        arrival: Arrival = DIRECT,
    ) -> FdoResponse:
        """Answer one message.

        Raises:
            ProtocolError, VoucherError: The message is refused.
            StoreError: The store failed; nothing was promised to the peer.
        """
        found = self._by_type.get(number)
        if found is None:
            raise errors.UnexpectedMessage(f"this service takes no message {number}")
        role, kind = found
        if arrival.line is not None and not role.on_lines:
            raise errors.UnexpectedMessage(f"no line takes message {number}")
        now = int(self._clock())
        env = role.env(now, arrival)
        if kind is role.server.opening:
            return self._open(role, body, env, now)
        return self._continue(role, kind, body, authorization, env, now)

    def peer_error(self, body: bytes, authorization: str | None) -> None:
        """End the run of a peer that reports an error of its own."""
        now = int(self._clock())
        for role in self._roles:
            try:
                run = self._load(role, authorization, now)
            except (errors.ProtocolError, store_errors.StoreError):
                continue
            server, run_id = role.server, run.token_id
            told = self._tracer.reported(server, run_id, run.state, body, now)
            said = said_of(server, run_id, run.state)
            about = logs.refused("FDO 255", server.name, **said)
            log.info("a peer ended %s: %s", server.name, told, extra=about)
            self._fail(role, run, None, errors.ProtocolError(told), now)
            return
        unknown = logs.refused("FDO 255", "")
        log.info("a peer that has no run reports an error", extra=unknown)

    def _open(self, role: ProtocolRole, body: bytes, env: Any, now: int) -> FdoResponse:
        server, kind = role.server, role.server.opening
        try:
            step = server.step(None, kind, body, env)
        except (errors.ProtocolError, VoucherError) as error:
            self._refused(role, None, kind, body, error, now)
            raise
        if step.state is None or not step.state.sealed or step.effects:
            raise AssertionError(f"{server.name} opens with a state for the token")
        scope, expires = server.scope, now + role.seconds
        payload = b"" if role.short_token else step.state.encode()
        token = self._keys.sealer(now).seal(scope, payload, expires)
        run = Run(key_of(scope, token), id_of(token), step.state, None, expires)
        if not role.short_token:
            self._opened.put(run)
        elif not self._move(role, run, step.state, now):
            raise AssertionError(f"two runs of {server.name} have one id")
        self._tracer.passed(server, run.token_id, None, kind, step, now)
        return FdoResponse(step.reply_type, step.reply, f"Bearer {token}")

    def _continue(
        self,
        role: ProtocolRole,
        kind: IntEnum,
        body: bytes,
        authorization: str | None,
        env: Any,
        now: int,
    ) -> FdoResponse:
        key = key_of(role.server.scope, token_of(authorization))
        warm = self._warm.get(key, now) or self._opened.get(key, now)
        if warm is not None:
            taken = self._take_warm(role, kind, body, warm, env, now)
            if taken is not None:
                return taken
        run = self._load(role, authorization, now)
        if run.step is None and run.token_id in self._failed:
            raise errors.UnexpectedMessage("its peer has failed to prove itself")
        try:
            step = role.server.step(run.state, kind, body, env)
        except (errors.ProtocolError, VoucherError) as error:
            self._refused(role, run, kind, body, error, now)
            if not isinstance(error, _HARMLESS):
                self._fail(role, run, kind, error, now)
            raise
        if not self._advance(role, run, step, now):
            raise errors.MessageRefused("the run has gone on without this message")
        return self._reply(role, run, kind, body, step, now)

    def _take_warm(
        self,
        role: ProtocolRole,
        kind: IntEnum,
        body: bytes,
        run: Run,
        env: Any,
        now: int,
    ) -> FdoResponse | None:
        """Take the message where the run stood here; None when the row must tell."""
        try:
            step = role.server.step(run.state, kind, body, env)
        except (errors.ProtocolError, VoucherError) as error:
            if run.step is not None or self._has_row(run, now):
                return None
            # The token holds this very state: it would refuse as well.
            self._refused(role, run, kind, body, error, now)
            if not isinstance(error, _HARMLESS):
                self._fail(role, run, kind, error, now)
            raise
        if step.state is not None and step.state.sealed and self._has_row(run, now):
            return None  # it moves nothing, and so would not see another's proof
        if not self._advance(role, run, step, now):
            return None
        return self._reply(role, run, kind, body, step, now)

    def _has_row(self, run: Run, now: int) -> bool:
        return self._runs.load(run.token_id, now) is not None

    def _reply(
        self,
        role: ProtocolRole,
        run: Run,
        kind: IntEnum,
        body: bytes,
        step: Step,
        now: int,
    ) -> FdoResponse:
        try:
            for effect in step.effects:
                role.commit(effect, now, run.token_id)
        except (errors.ProtocolError, store_errors.StoreError) as error:
            self._refused(role, run, kind, body, error, now)
            raise
        self._tracer.passed(role.server, run.token_id, run.state, kind, step, now)
        if step.state is None:
            self._ended.labels(role.server.name, "done").inc()
        return FdoResponse(step.reply_type, step.reply)

    def _refused(
        self,
        role: ProtocolRole,
        run: Run | None,
        kind: IntEnum,
        body: bytes,
        error: Exception,
        now: int,
    ) -> None:
        """Note a refusal, and say of which run and device it is where it is logged."""
        run_id = None if run is None else run.token_id
        self._tracer.refused(role.server, run_id, kind, body, error, now)
        state = None if run is None else run.state
        logs.tag(error, **said_of(role.server, run_id, state, kind, body))

    def _load(self, role: ProtocolRole, authorization: str | None, now: int) -> Run:
        scope, token = role.server.scope, token_of(authorization)
        sealer = self._keys.sealer(now)
        try:
            opened = sealer.open(token, scope, now)
            row = self._runs.load(opened.id, now)
            step, payload = None, opened.payload
            if row is not None:
                step, sealed = row
                payload = sealer.open_bytes(sealed, scope, now, opened.id)
        except store_errors.TokenRefused as error:
            raise errors.TokenRefused(str(error)) from error
        if step is None and role.short_token:
            raise errors.TokenRefused("the run is not known, or is over")
        state = role.server.decode_state(payload)
        return Run(key_of(scope, token), opened.id, state, step, opened.expires)

    def _advance(self, role: ProtocolRole, run: Run, step: Step, now: int) -> bool:
        """Move the run on; False when a copy of the message was faster."""
        expires = now + role.seconds
        if step.state is None:
            return role.repeatable or self._end(run, expires)
        if step.state.sealed:
            return True  # the token says it all, and stays as it is
        return self._move(role, run, step.state, now)

    def _move(self, role: ProtocolRole, run: Run, state: State, now: int) -> bool:
        expires = now + role.seconds
        sealed = self._seal(role, run, state, expires)
        if run.step is None:
            at, won = 0, self._runs.begin(run.token_id, 0, sealed, expires)
            self._opened.drop(run.key)
        else:
            at = run.step + 1
            won = self._runs.advance(run.token_id, run.step, at, sealed, now)
        if won:
            self._warm.put(Run(run.key, run.token_id, state, at, run.expires))
        return won

    def _end(self, run: Run, expires: int) -> bool:
        self._warm.drop(run.key)
        self._opened.drop(run.key)
        if run.step is None:
            return self._runs.spend(run.token_id, expires)
        return self._runs.finish(run.token_id, run.step)

    def _seal(self, role: ProtocolRole, run: Run, state: State, expires: int) -> bytes:
        sealer, scope = self._keys.sealer(expires - role.seconds), role.server.scope
        return sealer.seal_bytes(scope, state.encode(), expires, run.token_id)

    def _fail(
        self,
        role: ProtocolRole,
        run: Run,
        kind: IntEnum | None,
        error: Exception,
        now: int,
    ) -> None:
        """End a run over a message, or over an error of its peer's (``kind`` None)."""
        if run.step is None:
            if kind in (None, role.server.proof):
                self._failed.add(run.token_id)
                self._opened.drop(run.key)
            return
        self._warm.drop(run.key)
        if not self._runs.finish(run.token_id, run.step):
            return
        result = "reported" if kind is None else "refused"
        self._ended.labels(role.server.name, result).inc()
        if role.on_failure is not None:
            reported = "the device reported an error"
            where = reported if kind is None else f"message {int(kind)}"
            role.on_failure(run.state, where, error, now)
