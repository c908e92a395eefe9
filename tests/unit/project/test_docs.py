"""The guides say what the product does: links, commands, settings, routes, codes."""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from attestation.binding_codes import BindingCode
from attestation.decision import DenyCode
from attestation.ek_verdict import EkCode
from attestation.errors import DocumentFault
from attestation.quote_rules import QuoteCode
from onboarding.cli.app import COMMANDS, command_line
from onboarding.services.api import problems
from onboarding.services.compat import mount
from onboarding.services.diagnosis.words import Why
from onboarding.services.settings import Settings
from onboarding.store.state import DeviceState, Removal
from onboarding.wire.message import ErrorCode
from ownership_vouchers.errors import Check
from tests.reference import api

ROOT = Path(__file__).parents[3]
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
REFERENCE = ROOT / "docs/reference"
# Read by the commands themselves, not by a service.
FOR_COMMANDS = {
    "VOUCHGATE_API_KEY",
    "VOUCHGATE_API_KEY_FILE",
    "VOUCHGATE_BOARDS",  # by hw, which knows no settings
    "VOUCHGATE_CA",
    "VOUCHGATE_CLIENT_CERTIFICATE",
    "VOUCHGATE_CLIENT_KEY",
    "VOUCHGATE_CLIENT_KEY_PASSPHRASE_FILE",
    "VOUCHGATE_CLIENT_SDK",
    "VOUCHGATE_DEBUG",
    "VOUCHGATE_DEVICE",
    "VOUCHGATE_FDO_CONFORMANCE",
    "VOUCHGATE_FDO_RS",
    "VOUCHGATE_GO_FDO_SERVER",
    "VOUCHGATE_KEYLIME_AGENT",
    "VOUCHGATE_KEYLIME_PUSH_AGENT",
    "VOUCHGATE_PRI_FIDOIOT",
    "VOUCHGATE_PROFILE",
    "VOUCHGATE_PROFILES",
    "VOUCHGATE_TOKEN",
    "VOUCHGATE_TOKEN_FILE",
    "VOUCHGATE_URL",
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


every_document = pytest.mark.parametrize("path", DOCS, ids=name_of)


def test_the_guides_are_there() -> None:
    guides = {"operators", "manufacturers", "devices", "security", "developers"}
    assert guides <= {path.stem for path in DOCS}


@every_document
def test_every_relative_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    for target, anchor in links_of(path.read_text()):
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), target
        if anchor:
            assert anchor in anchors_of(found.read_text()), f"{target}#{anchor}"


def test_the_guides_plan_for_a_stock_agent_is_the_example_that_is_tried() -> None:
    guide = (ROOT / "docs/operators.md").read_text()
    plan = (ROOT / "docs/examples/keylime-agent/plan.json").read_text()
    assert f"```json\n{plan}```" in guide
    pushing = (ROOT / "docs/examples/keylime-agent/push-plan.json").read_text()
    common = pushing.splitlines()[:6], plan.replace('-agent"', '-push-agent"', 1)
    assert common[0] == common[1].splitlines()[:6]
    assert "\n".join(pushing.splitlines()[6:-2]) in guide


@every_document
def test_every_command_named_exists(path: Path) -> None:
    for words in commands_in(path.read_text()):
        assert resolves(words), " ".join(("vouchgate", *words))


@every_document
def test_every_setting_named_exists(path: Path) -> None:
    named = set(
        re.findall(r"VOUCHGATE_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_*…])", path.read_text())
    )
    assert named <= settings() | FOR_COMMANDS


@every_document
def test_every_route_named_exists(path: Path, routes: set[str]) -> None:
    known = [re.compile(pattern_of(one)) for one in paths_of(routes)]
    for named in re.findall(r"/(?:api|device)/v1/[\w{}./-]*[\w}]", path.read_text()):
        assert any(one.fullmatch(named) for one in known), named


def test_every_path_of_another_server_is_in_its_guide() -> None:
    rows = cells_of(ROOT / "docs/from-go-fdo-server.md")
    named = {path for row in rows for path in re.findall(r"/[\w{}./-]+", row[1])}
    assert compat_paths() | {"/health"} <= named


def test_every_command_and_option_is_in_the_reference() -> None:
    rows = cells_of(REFERENCE / "cli.md")
    documented = {row[0].strip("`"): row[-1] for row in rows if "vouchgate" in row[0]}
    for words, command in leaves():
        line = documented[" ".join(("vouchgate", *words))]
        for option in options_of(command):
            assert f"`{option}" in line, (words, option)


def test_every_route_is_in_the_reference(routes: set[str]) -> None:
    documented = {
        row[0].strip("`")
        for row in cells_of(REFERENCE / "api.md")
        if re.match(r"`(GET|PUT|POST|DELETE) /", row[0])
    }
    assert documented == routes


def test_every_state_is_in_the_reference() -> None:
    text = (REFERENCE / "states.md").read_text()
    for state in (*DeviceState, *Removal):
        assert f"| `{state.value}` |" in text


@pytest.mark.parametrize(
    "codes",
    [Check, BindingCode, EkCode, DenyCode, DocumentFault, QuoteCode, Why],
    ids=lambda codes: codes.__name__,
)
def test_every_code_of_a_refusal_is_in_the_reference(codes: type[StrEnum]) -> None:
    text = (REFERENCE / "errors.md").read_text()
    assert {one.value for one in codes if f"`{one.value}`" not in text} == set()


def test_every_fdo_code_is_in_the_reference_with_its_number() -> None:
    text = (REFERENCE / "errors.md").read_text()
    for code in ErrorCode:
        assert f"| {code.value} | {code.name} |" in text


def test_every_code_of_a_problem_document_is_in_the_reference() -> None:
    text = (REFERENCE / "errors.md").read_text()
    found = re.compile(r"Problem\(\s*(?:\d{3}|[a-z_.]+),\s*\"([a-z-]+)\"")
    source = (ROOT / "onboarding/services").rglob("*.py")
    codes = {code for path in source for code in found.findall(path.read_text())}
    assert len(codes) > 30
    codes |= {"http-error", *problems.HTTP_CODES.values()}
    codes |= {code for _, _, code, _ in problems.STORE_CODES}
    assert {code for code in codes if f"`{code}`" not in text} == set()


@pytest.fixture(scope="module")
def routes() -> set[str]:
    """``GET /path`` of each route of each service."""
    return {f"{method} {path}" for path, method in api.routes()}


def links_of(text: str) -> Iterator[tuple[str, str]]:
    """Target and anchor of each link that stays in the repository."""
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not link.startswith(("http://", "https://")):
            target, _, anchor = link.partition("#")
            yield target, anchor


def anchors_of(text: str) -> set[str]:
    """Headings as a renderer names them: lower case, hyphens, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    plain = (re.sub(r"[^\w\- ]", "", one.lower()) for one in headings)
    return {one.strip().replace(" ", "-") for one in plain}


def commands_in(text: str) -> Iterator[tuple[str, ...]]:
    """The words after ``vouchgate`` wherever it stands as code."""
    code = re.findall(r"^```.*?^```|`[^`\n]+`", text, re.M | re.S)
    for words in re.findall(r"\bvouchgate((?: +[a-z][a-z0-9-]*\b)+)", "\n".join(code)):
        yield tuple(words.split())


def resolves(words: tuple[str, ...]) -> bool:
    command = whole_command_line()
    for word in words:
        if not hasattr(command, "commands"):
            return True  # the rest are its arguments
        command = command.commands.get(word)
        if command is None:
            return False
    return True


@cache
def whole_command_line() -> Any:
    """Every command, as Typer's own click has them."""
    group = typer.main.get_group(command_line([]))
    assert set(COMMANDS) == set(group.commands)
    return group


def leaves() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command that does something, with the words that call it."""
    for name, command in whole_command_line().commands.items():
        if hasattr(command, "commands"):
            for inner, leaf in command.commands.items():
                yield (name, inner), leaf
        else:
            yield (name,), command


def options_of(command: Any) -> set[str]:
    options = [one for one in command.params if one.param_type_name == "option"]
    assert options
    return {one.opts[0] for one in options} - {"--help"}


def settings() -> set[str]:
    return {f"VOUCHGATE_{name.upper()}" for name in Settings.model_fields}


def paths_of(routes: set[str]) -> set[str]:
    """Paths with and without their last parts: a guide may name a group of routes."""
    paths = {route.partition(" ")[2] for route in routes}
    extra = {"/api/v1/openapi.json", "/device/v1/keylime"}
    return paths | extra | compat_paths()


def compat_paths() -> set[str]:
    """What is served of another server's paths; they have no OpenAPI of ours."""
    routes = [route for one, _ in mount.ROUTERS for route in one.routes]
    return {str(getattr(route, "path")) for route in routes}  # noqa: B009


def pattern_of(path: str) -> str:
    """A path's pattern: ``{guid}`` stands for itself or for any one part."""
    parts = re.split(r"\{[^}]+\}", path)
    return r"[^/]+".join(map(re.escape, parts))


def cells_of(path: Path) -> list[list[str]]:
    """The rows of every table of a document."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
