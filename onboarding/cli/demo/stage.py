"""Everything that runs during the demonstration, started and ended together."""

import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

import httpx

from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import KeylimeStack
from hw.swtpm import ek_ca_certificates
from onboarding.cli.api import Api
from onboarding.cli.demo.cast import Device, cast_of
from onboarding.cli.demo.services import Service, keylime_environment
from onboarding.device.http import new_client
from onboarding.services.key_store import KeyKind
from onboarding.store.apikeys import Role

Handler = Callable[[int, FrameType | None], None] | signal.Handlers


@dataclass(slots=True)
class Stage:
    """Three services, Keylime, three TPMs; nothing runs until ``raise_curtain``."""

    directory: Path
    manufacturing: Service = field(init=False)
    rendezvous: Service = field(init=False)
    owner: Service = field(init=False)
    keylime: KeylimeStack = field(init=False)
    board: Device = field(init=False)
    server: Device = field(init=False)
    impostor: Device = field(init=False)
    client: httpx.Client = field(default_factory=new_client)

    def __post_init__(self) -> None:
        def service(role: str) -> Service:
            phrase = secrets.token_urlsafe(24).encode()
            return Service(role, self.directory / role, phrase)

        self.manufacturing = service("manufacturing")
        self.rendezvous = service("rendezvous")
        self.owner = service("owner")
        options = StackOptions(quote_interval=1)
        self.keylime = KeylimeStack(self.directory / "keylime", options)
        self.board, self.server, self.impostor = cast_of(self.directory)

    @property
    def services(self) -> tuple[Service, Service, Service]:
        return (self.manufacturing, self.rendezvous, self.owner)

    @property
    def devices(self) -> tuple[Device, Device]:
        """The two honest ones."""
        return (self.board, self.server)

    @property
    def ek_ca(self) -> Path:
        return self.directory / "ek-ca"

    def api(self, service: Service, role: Role) -> Api:
        return service.api(role, self.client)

    def raise_curtain(self) -> None:
        """Start everything, side by side as far as one does not need the other."""
        together(
            self._start_owner,
            self._start_manufacturing,
            self._start_rendezvous,
            *(partial(self._make, device) for device in self._everyone()),
            on_interrupt=self._hurry,
        )

    def ek_roots(self) -> bytes:
        """The EK authority's certificates, PEM."""
        return b"".join(ek_ca_certificates(self.ek_ca))

    def log_tails(self) -> dict[str, str]:
        """The end of each service's log, for when something went wrong."""
        return {one.role: one.log_tail() for one in self.services}

    def close(self) -> None:
        """End every process. Safe to call at any time, and twice."""
        self._hurry()
        stops: list[Callable[[], None]] = [one.stop for one in self.services]
        stops += [one.power_off for one in self._everyone()]
        together(*stops, self.keylime.stop)
        self.client.close()

    def _hurry(self) -> None:
        for service in self.services:
            service.ask_to_stop()

    def _everyone(self) -> tuple[Device, Device, Device]:
        return (self.board, self.server, self.impostor)

    def _start_manufacturing(self) -> None:
        kinds = (KeyKind.MANUFACTURER, KeyKind.DEVICE_CA)
        self.manufacturing.prepare(kinds, (Role.MANUFACTURER,))
        self.manufacturing.start()

    def _start_rendezvous(self) -> None:
        self.rendezvous.prepare((), (Role.SECURITY,))
        self.rendezvous.start()

    def _start_owner(self) -> None:
        """The owner is told where Keylime is, so Keylime goes first."""
        roles = (Role.OPERATOR, Role.SECURITY)
        together(
            self.keylime.start, lambda: self.owner.prepare((KeyKind.OWNER,), roles)
        )
        self.owner.start(keylime_environment(self.keylime.client_settings()))

    def _make(self, device: Device) -> None:
        device.chip.manufacture(self.ek_ca)
        device.power_on()


def together(
    *work: Callable[[], object], on_interrupt: Callable[[], None] = lambda: None
) -> None:
    """Do all of it at once; the first error is raised when all have ended.

    After Ctrl-C too nothing goes on behind our back: ``on_interrupt`` hurries it, and
    it is waited for, so that whatever it started is known to whoever ends it.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(work))) as pool:
        futures = [pool.submit(one) for one in work]
        try:
            wait(futures)
        except BaseException:
            with undisturbed():
                on_interrupt()
                wait(futures)
            raise
    for future in futures:
        future.result()


@contextmanager
def interrupts_end_it() -> Iterator[None]:
    """Let SIGTERM end things as Ctrl-C does, and Ctrl-C even where a shell hid it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled_by(stop):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """While everything is being ended, a second Ctrl-C must not leave half of it."""
    with _handled_by(signal.SIG_IGN):
        yield


@contextmanager
def _handled_by(handler: Handler) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, former in zip(numbers, before, strict=True):
            signal.signal(number, former)


def wait_for_ctrl_c() -> None:
    """Return when the user has had enough."""
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
