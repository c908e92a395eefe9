"""The Grafana dashboard asks for what the services expose, and for nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attestation.keylime.pki import ensure_pki
from onboarding.services.settings import Role
from onboarding.store.state import DeviceState
from tests.support.services import Site

FILE = Path(__file__).parents[2] / "docs/examples/grafana/vouchgate.json"
WIDTH = 24  # columns of Grafana's grid
OTHER_UNITS = {
    "milliseconds",
    "ms",
    "minutes",
    "hours",
    "days",
    "kib",
    "mib",
    "percent",
}
NOWHERE = "https://127.0.0.1:9"  # Keylime is configured, but not there


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a service of all roles answers at /metrics, after it refused something."""
    directory = tmp_path_factory.mktemp("metrics")
    site, pki = Site(directory), ensure_pki(directory / "pki")
    settings = site.settings(
        Role.ALL,
        keylime_verifier_url=NOWHERE,
        keylime_registrar_url=NOWHERE,
        keylime_registrar_http_url="http://127.0.0.1:9",
        keylime_ca=pki.ca,
        keylime_cert=pki.certificate("owner"),
        keylime_key=pki.key("owner"),
        background=False,
    )
    with site.serve(settings) as service:
        assert service.call(None, "GET", "/devices").status_code == 401
        return service.http.get("/metrics").text


def test_every_metric_and_label_of_the_dashboard_is_exposed(exposed: str) -> None:
    families = set(re.findall(r"^# TYPE (vouchgate_\w+) ", exposed, re.M))
    asked = [one for panel in panels() for one in expressions(panel)]
    named = {family for one in asked for family in families_in(one)}
    assert named <= families
    for one in asked:
        (name,) = set(re.findall(r"vouchgate_\w+", one))
        labels = labels_of(exposed, name)
        if labels is not None:
            assert labels_in(one) <= labels | {"job"}, one


def test_every_metric_is_on_the_dashboard(exposed: str) -> None:
    families = set(re.findall(r"^# TYPE (vouchgate_\w+) ", exposed, re.M))
    assert families == families_in(FILE.read_text())


def test_every_metric_is_named_as_prometheus_would_have_it(exposed: str) -> None:
    """Source: Prometheus, "Metric and label naming", and what promtool looks for."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\w+)$", exposed, re.M))
    told = dict(re.findall(r"^# HELP (\S+) (\S.*)$", exposed, re.M))
    assert kinds.keys() == told.keys()
    assert not kinds.keys() & {*re.findall(r"^[^#\s{]+_created\b", exposed, re.M)}
    for name, kind in kinds.items():
        assert re.fullmatch(r"(vouchgate|process|python)(_[a-z][a-z0-9]*)+", name), name
        assert name.endswith("_total") == (kind == "counter"), name
        assert not set(name.split("_")) & OTHER_UNITS, name
        if kind == "histogram":
            assert name.endswith(("_seconds", "_bytes")), name
        elif kind != "counter":
            assert not name.endswith(("_count", "_sum", "_bucket")), name
    labels = {*re.findall(r'[{,](\w+)="', exposed)}
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", one) for one in labels), labels


def test_states_that_are_named_are_states_of_devices() -> None:
    for panel in panels():
        for one in expressions(panel):
            for named in re.findall(r'vouchgate_devices\{[^}]*state=~"([^"]+)"', one):
                assert set(named.split("|")) <= {state.value for state in DeviceState}


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids)) > 10
    for panel in panels():
        at = panel["gridPos"]
        rows = range(at["y"], at["y"] + at["h"])
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in rows}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= WIDTH
        taken |= cells


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(FILE.read_text())["panels"]
    return found


def expressions(panel: dict[str, Any]) -> Iterator[str]:
    assert panel["targets"], panel["title"]
    for target in panel["targets"]:
        yield target["expr"]


def families_in(text: str) -> set[str]:
    """Which metrics are named; a histogram's samples have names of their own."""
    found = re.findall(r"vouchgate_[a-z0-9_]+", text)
    return {one.removesuffix("_bucket") for one in found}


def labels_of(exposed: str, name: str) -> set[str] | None:
    """Labels of a family's samples; None if it has no sample here."""
    samples = re.findall(rf"^{name}(?:\{{(.*)\}})? \S+$", exposed, re.M)
    if not samples:
        return None
    return {label for one in samples for label in re.findall(r'(\w+)="', one)}


def labels_in(expression: str) -> set[str]:
    grouped = re.findall(r"by \(([\w, ]+)\)", expression)
    selected = re.findall(r'(\w+)=~?"', expression)
    return {one.strip() for group in grouped for one in group.split(",")} | {*selected}
