"""``/metrics``: what there is now, what was done, and what the process takes.

Nothing here names a device, a person or a secret: it is asked without a key.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from attestation.keylime.verifiers import Circuit
from onboarding.services.api.routing import gives_text
from onboarding.services.health import Health, health_of
from onboarding.services.keylime_link import KeylimeLink

router = APIRouter(tags=["health"])

_EXAMPLE = """\
# TYPE vouchgate_devices gauge
vouchgate_devices{state="attested"} 40.0
"""
_STATES = ("pending", "dead")
_PROCESS = CollectorRegistry()
ProcessCollector(registry=_PROCESS)
GCCollector(registry=_PROCESS)


@router.get("/metrics", **gives_text("text/plain", _EXAMPLE))
def metrics(request: Request) -> Response:
    """Counts in Prometheus' text format."""
    health, now = health_of(request), CollectorRegistry()
    now.register(Present(health))
    registries = now, health.context.meters.registry, _PROCESS
    text = b"".join(generate_latest(one) for one in registries)
    return Response(text, media_type="text/plain; version=0.0.4")


class Present(Collector):
    """What a service has and is doing at the moment."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: else all of it is counted to learn its names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Each family with its samples."""
        health, context = self._health, self._health.context
        about = {"version": _version(), "role": context.settings.role.value}
        told = "Which version serves which role."
        yield InfoMetricFamily("vouchgate_build", told, value=about)
        states = {state.value: count for state, count in health.devices.get().items()}
        yield _gauge("devices", "Devices by state.", states, "state")
        runs = context.stores.runs.live(context.now())
        told = "Protocol runs kept: of DI, and of peers that have proved themselves."
        yield _gauge("runs", told, {"": runs})
        told = "Live registrations at this rendezvous."
        yield _gauge("registrations", told, {"": health.registrations.get()})
        yield from _to0(health)
        if health.link is not None:
            yield _verifiers(health.link)
        if health.drift is not None:
            kinds = {kind.value: count for kind, count in health.drift.get().items()}
            told = "What Keylime has that we have not."
            yield _gauge("keylime_drift", told, kinds, "kind")
        told = "Made devices whose serial needs a look."
        yield _gauge("serial_alarms", told, {"": health.alarms.get()})
        deliveries = dict(zip(_STATES, health.webhooks.get(), strict=True))
        told = "Events for webhooks, by state."
        yield _gauge("webhook_deliveries", told, deliveries, "state")


def _gauge(name: str, words: str, counts: Mapping[str, int], *label: str) -> Metric:
    """A family by one label; without a label there is one sample."""
    family = GaugeMetricFamily(f"vouchgate_{name}", words, labels=label)
    for value, count in counts.items():
        family.add_metric([value] if label else [], count)
    return family


def _to0(health: Health) -> Iterator[Metric]:
    backlog, circuits = health.to0.get()
    told = "Devices to register: all, due now, failing."
    yield _gauge("registering", told, asdict(backlog), "which")
    counts = {circuit.value: count for circuit, count in circuits.items()}
    told = "Rendezvous servers by circuit."
    yield _gauge("rendezvous_servers", told, counts, "circuit")


def _verifiers(link: KeylimeLink) -> Metric:
    pool = link.client.verifiers
    found = [one.circuit(pool.now()) for one in pool.states()]
    counts = {circuit.value: found.count(circuit) for circuit in Circuit}
    return _gauge("verifiers", "Verifiers of evidence by circuit.", counts, "circuit")


def _version() -> str:
    try:
        return version("vouchgate")
    except PackageNotFoundError:
        return "source"
