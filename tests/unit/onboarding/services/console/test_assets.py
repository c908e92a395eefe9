"""What the console sends to browsers: from where it is, and that it can be read."""

import hashlib
import re
from itertools import product

import pytest

from onboarding.services.console.assets import HTMX, HTMX_SHA256, STATIC, assets
from onboarding.services.console.pages import TEMPLATES

CSS = (STATIC / "console.css").read_text()
TEXT, GRAPHICS = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11, level AA
GROUNDS = ("page", "surface", "sunken")
PAIRS = [
    *product(("text", "quiet"), GROUNDS, [TEXT]),
    *product(("accent", "good", "warn", "bad"), ("page", "surface"), [TEXT]),
    ("on-accent", "accent", TEXT),
    *((tone, f"{tone}-back", TEXT) for tone in ("good", "warn", "bad", "idle")),
    *product(("text", "accent"), [f"{one}-back" for one in ("warn", "bad")], [TEXT]),
    *product(("edge", "accent"), ("page", "surface"), [GRAPHICS]),
    *product(("good", "warn", "bad", "edge"), ("surface", "sunken"), [GRAPHICS]),
]


def tokens(scheme: str) -> dict[str, str]:
    """The colours of one scheme, as the style sheet has them."""
    light, _, rest = CSS.partition("@media (prefers-color-scheme: dark)")
    text = light if scheme == "light" else rest.partition("\n}\n")[0]
    return dict(re.findall(r"--([a-z-]+): #([0-9a-f]{6});", text))


def luminance(colour: str) -> float:
    """Relative luminance. Source: WCAG 2.2, definitions."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4
        for one in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours. Source: WCAG 2.2, definitions."""
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_the_measure_of_contrast_is_wcags() -> None:
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("777777", "ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_what_is_written_can_be_read(
    scheme: str, front: str, back: str, least: float
) -> None:
    known = tokens(scheme)
    assert contrast(known[front], known[back]) >= least


def test_both_schemes_have_every_colour_and_nothing_else_has_one() -> None:
    assert tokens("light").keys() == tokens("dark").keys()
    assert {name for pair in PAIRS for name in pair[:2]} | {"line"} == tokens(
        "light"
    ).keys()
    rules = re.sub(r"--[a-z-]+: #[0-9a-f]{6};", "", CSS)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)|rgba?\(|hsla?\(", rules) == []


def test_htmx_is_the_one_that_was_vendored_and_brings_its_licence() -> None:
    content = (STATIC / "vendor" / HTMX).read_bytes()
    assert hashlib.sha256(content).hexdigest() == HTMX_SHA256
    assert HTMX_SHA256 in (STATIC / "vendor/README.md").read_text()
    assert "Zero-Clause BSD" in (STATIC / "vendor/htmx-LICENSE.txt").read_text()


def test_an_asset_is_named_by_its_content() -> None:
    for name, one in assets().items():
        digest = hashlib.sha256(one.content).hexdigest()
        assert one.url == f"/assets/{digest[:16]}/{name}"


TEMPLATE_FILES = sorted(TEMPLATES.glob("*.html"))


@pytest.mark.parametrize("path", TEMPLATE_FILES, ids=lambda path: path.name)
def test_no_template_has_script_or_style_in_it_or_trusts_a_value(path: object) -> None:
    text = TEMPLATES.joinpath(str(path)).read_text()
    assert not re.search(
        r"\son[a-z]+\s*=\s*[\"'{]|\shx-on|javascript:|\sstyle\s*=", text
    )
    assert not re.search(r"<style|<script(?! src=)", text)
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)
