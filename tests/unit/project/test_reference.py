"""The reference of settings and of routes is what these say of themselves."""

from types import ModuleType

import pytest

from onboarding.services.settings import Settings
from tests.reference import api, settings


@pytest.mark.parametrize("page", [settings, api], ids=["settings", "api"])
def test_the_page_is_as_it_is_written(page: ModuleType) -> None:
    """If this fails: ``make reference``."""
    assert page.PAGE.read_text() == page.written()


def test_a_route_is_told_with_its_roles_servers_queries_and_limits() -> None:
    text = api.PAGE.read_text()
    assert (
        "| `DELETE /api/v1/apikeys/{key_id}` | admin only | M R O | End a key" in text
    )
    (vouchers,) = (
        line
        for line in text.splitlines()
        if line.startswith("| `GET /api/v1/vouchers`")
    )
    for one in ("| any | M O |", "`serial`", "`cursor`", "| labels, lines |"):
        assert one in vouchers


def test_every_setting_is_in_one_section() -> None:
    listed = [name for one in settings.SECTIONS for name in settings.fields_of(one.of)]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(Settings.model_fields)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is(name: str) -> None:
    said = Settings.model_fields[name].description
    assert said
    assert said[-1] not in ".;, "


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("port", "| integer, 0 to 65535 | `8080` |"),
        ("role", "| `manufacturing`, `rendezvous`, `owner`, `all` | `all` |"),
        ("fdo_rate", "| number, 0 to 1000000 | `500` |"),
        ("reconcile_seconds", "| number, over 0 | `1.0` |"),
        ("withdraw_cap", "| integer, 0 or more | `50` |"),
        ("tls_key", "| path | none |"),
        ("pkcs11_token", "| text, 1 to 32 characters | none |"),
        ("to2_message_bytes", "| integer, 256 to 65535 | none |"),
        ("trusted_proxies", "| JSON list | `[]` |"),
        ("oidc_roles", "| JSON object | `{}` |"),
        ("insecure_confirm", "| `true`, `false` | `false` |"),
        ("compat", "| `go-fdo-server` | none |"),
        ("di_line", "| text like `^[a-z0-9][a-z0-9-]{0,63}$` | `default` |"),
    ],
)
def test_types_bounds_and_defaults_are_those_that_are_checked(
    name: str, words: str
) -> None:
    (row,) = [
        line
        for line in settings.written().splitlines()
        if line.startswith(f"| `VOUCHGATE_{name.upper()}` |")
    ]
    assert words in row
