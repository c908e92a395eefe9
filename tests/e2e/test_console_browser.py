"""The console in a real Chromium: seen, used by keyboard, kept up to date.

Pictures of each page go to ``build/console``: look at them when you change one.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from ownership_vouchers.types import Guid
from tests.support import legible
from tests.support.browser import ENTER, TAB, Browser, browser
from tests.support.console_bench import Console
from tests.support.server_tls import Authority
from tests.support.services import Site
from tests.support.sold_vouchers import sold_to, strange

pytest_plugins = ["tests.support.console_fixtures"]

PICTURES = Path(__file__).parents[2] / "build/console"
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
PAGE_BYTES = 150 * 1024  # everything that a first visit transfers


@pytest.fixture(scope="module")
def databases() -> None:
    """A browser cannot tell them apart: what they hold is asked for in other tests."""


See = Callable[[Role, str], Browser]


def page_of(console: Console, name: str) -> tuple[Role, str]:
    """Where a picture is taken, and by whom."""
    return {
        "fleet": (Role.OPERATOR, "/"),
        "fleet-filtered": (Role.OPERATOR, "/?state=released"),
        "refusal": (Role.OPERATOR, "/?cursor=nonsense"),
        "missing": (Role.OPERATOR, f"/devices/{'ab' * 16}"),
        "device-story": (Role.OPERATOR, f"/devices/{console.fleet.story}"),
        "device-failed": (Role.SECURITY, f"/devices/{console.fleet.failed}"),
        "device-registered": (Role.OPERATOR, f"/devices/{console.fleet.registered}"),
        "device-hostile": (Role.OPERATOR, f"/devices/{console.fleet.hostile}"),
        "vouchers": (Role.OPERATOR, "/vouchers"),
        "voucher": (Role.OPERATOR, f"/vouchers/{console.fleet.story}"),
        "policies": (Role.SECURITY, "/policies"),
        "policy": (Role.SECURITY, "/policies/boot?version=2&against=1"),
        "security": (Role.SECURITY, "/security"),
        "audit": (Role.SECURITY, "/audit"),
    }[name]


PAGES = [
    "fleet",
    "fleet-filtered",
    "refusal",
    "missing",
    "device-story",
    "device-failed",
    "device-registered",
    "device-hostile",
    "vouchers",
    "voucher",
    "policies",
    "policy",
    "security",
    "audit",
]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_breaks_no_rule_of_its_own(
    console: Console, seen: See, name: str
) -> None:
    browser = seen(*page_of(console, name))
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        for size, (width, height) in SIZES.items():
            browser.resize(width, height)
            browser.picture(PICTURES / f"{name}-{scheme}-{size}.png")
            assert browser.run("return document.documentElement.scrollWidth") <= width
            assert legible.complaints(browser) == []
    assert "`" not in browser.text("main")  # commands are marked as such
    answered = ("422", "404")  # as was asked for
    refused = [
        one for one in browser.complaints() if not any(n in one for n in answered)
    ]
    assert refused == []


def test_the_login_page_is_seen(console: Console, chromium: Browser) -> None:
    chromium.forget()
    chromium.open(f"{console.service.url}/login")
    for scheme in ("light", "dark"):
        chromium.scheme(scheme)
        chromium.resize(*SIZES["wide"])
        chromium.picture(PICTURES / f"login-{scheme}-wide.png")
    assert chromium.run("return document.activeElement.id") == "key"


def test_the_session_cookie_is_out_of_reach_of_scripts(
    console: Console, seen: See
) -> None:
    browser = seen(Role.OPERATOR, "/")
    (cookie,) = browser.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert browser.run("return document.cookie") == ""


def test_a_hostile_device_is_text_and_runs_nothing(console: Console, seen: See) -> None:
    browser = seen(Role.OPERATOR, "/?q=SBC-0666")
    assert "<script>alert(1)</script>" in browser.text("table")
    assert "\\u202egpj.exe" in browser.text("table")
    assert (
        browser.run("return document.querySelectorAll('main script, main img').length")
        == 0
    )
    assert browser.complaints() == []


INJECTED = """
setTimeout(() => {
  const script = document.createElement("script");
  script.textContent = "window.ran = 'script'";
  document.body.append(script);
  const part = document.createElement("div");
  part.innerHTML = `<a id="x" onclick="window.ran = 'onclick'" style="color: red"></a>
    <a id="y" hx-on:click="window.ran = 'hx-on'"></a>
    <a id="z" hx-get="/" hx-vals="js:{a: window.ran = 1}"></a>`;
  document.body.append(part);
  htmx.process(part);
  for (const name of "xyz") document.getElementById(name).click();
  document.body.dataset.tried = "yes";
});
"""  # in a task of the page's own: what the driver runs may evaluate text


def test_script_that_found_its_way_into_a_page_does_not_run(
    console: Console, seen: See
) -> None:
    browser = seen(Role.OPERATOR, "/")
    browser.run(INJECTED)
    browser.wait(lambda: browser.run("return document.body.dataset.tried"))
    assert browser.run("return window.ran") is None
    refused = [one for one in browser.complaints() if "Content Security Policy" in one]
    assert len(refused) >= 4


def test_the_keyboard_alone_leads_from_login_to_a_filtered_list(
    console: Console, seen: See
) -> None:
    browser = seen(Role.OPERATOR, "/")
    browser.press(TAB)
    assert browser.run("return document.activeElement.className") == "skip"
    browser.press(ENTER)
    assert browser.run("return document.activeElement.id") == "main"
    browser.press(TAB, *"SRV-0001", ENTER)
    browser.wait(lambda: "q=SRV-0001" in browser.url, "the filtered list")
    browser.wait(lambda: "SRV-0001" in browser.text("table"), "its device")
    assert "SBC-0001" not in browser.text("table")
    outline = browser.run(
        "document.querySelector('#state').focus({focusVisible: true});"
        "return getComputedStyle(document.activeElement).outlineStyle"
    )
    assert outline == "solid"


def test_a_page_brings_itself_up_to_date_until_it_is_told_not_to(
    console: Console, seen: See
) -> None:
    browser = seen(Role.OPERATOR, "/?q=SBC-0003")
    assert "frozen" not in browser.text("table")
    freeze(console, True)
    browser.run("window.unchanged = true")
    browser.run(TICK)
    browser.wait(lambda: "frozen" in browser.text("table"), "the freeze")
    assert browser.run("return window.unchanged") is True  # it was not loaded again
    browser.click("#live-switch")
    assert (
        browser.run("return document.querySelector('#live-switch').ariaPressed")
        == "false"
    )
    assert "stays as it is" in browser.run(
        "return document.querySelector('#announce').textContent"
    )
    freeze(console, False)


def test_a_device_is_frozen_by_keyboard_and_an_opened_part_stays_open(
    console: Console, seen: See
) -> None:
    browser = seen(Role.OPERATOR, f"/devices/{console.fleet.withdrawn}")
    browser.run("document.querySelector('details.panel summary').focus()")
    browser.press(ENTER, TAB, *"seen in a browser", ENTER)
    browser.wait(lambda: "seen in a browser" in browser.text("#live"), "the freeze")
    part = "[aria-labelledby=decisions-title] details"
    assert browser.run(f"return document.querySelector('{part}').open") is False
    browser.click(f"{part} summary")
    freeze(console, False, console.fleet.withdrawn)
    browser.run(TICK)
    browser.wait(lambda: "device.thawed" in browser.text("#live"), "the thaw")
    assert browser.run(f"return document.querySelector('{part}').open") is True


def test_a_page_whose_session_is_over_asks_for_a_key(
    console: Console, seen: See
) -> None:
    browser = seen(Role.SECURITY, "/audit")
    browser.forget()
    browser.run(TICK)
    browser.wait(lambda: "Log in" in browser.title, "the login page")
    assert "to=%2Faudit" in browser.url


def test_a_page_says_when_the_service_does_not_answer_and_stays(
    chromium: Browser, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    settings = site.settings(Service.OWNER, background=False)
    key = site.api_key(settings, Role.OPERATOR)
    chromium.forget()
    with site.serve(settings) as service:
        chromium.open(f"{service.url}/login")
        chromium.type("#key", key)
        chromium.click("button.first")
        chromium.wait(lambda: "no device yet" in chromium.text("#live"), "the fleet")
    chromium.run(TICK)
    chromium.wait(lambda: chromium.text("#live-switch") == "No answer", "the word")
    assert "no device yet" in chromium.text("#live")


TICK = "document.querySelector('[data-live]').dispatchEvent(new Event('tick'))"


def freeze(console: Console, frozen: bool, guid: Guid | None = None) -> None:
    path = f"/devices/{guid or console.fleet.stale}/freeze"
    body = {"frozen": frozen, "reason": "tried in a test"}
    key = console.keys[Role.OPERATOR]
    assert console.service.call(key, "PUT", path, json=body).status_code == 200


def test_a_first_visit_transfers_little(console: Console, seen: See) -> None:
    browser = seen(Role.OPERATOR, "/")
    size = browser.run(
        "return [performance.getEntriesByType('navigation')[0],"
        " ...performance.getEntriesByType('resource')]"
        ".reduce((sum, one) => sum + one.decodedBodySize, 0)"
    )
    assert 0 < size < PAGE_BYTES


DROP = """
const data = new DataTransfer();
for (const [name, text] of arguments) data.items.add(new File([text], name));
document.querySelector("[data-import]").dispatchEvent(
  new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
"""


def test_files_are_dropped_and_each_says_how_far_it_is(
    console: Console, seen: See
) -> None:
    browser = seen(Role.OPERATOR, "/vouchers")
    good = "".join(sold_to(console.site, 40, "dropped board"))
    files = [["a.pem", good], ["b.pem", strange()], ["c.pem", "no voucher"], ["d", ""]]
    browser.resize(*SIZES["wide"])
    browser.run(DROP, *files)
    browser.wait(lambda: "is empty" in browser.text(".files"), "the last file's end")
    said = browser.text(".files")
    assert "40 imported" in said
    assert "1 refused" in said
    assert "not one well-formed CBOR item. Check that" in said
    assert "d: is empty" in browser.run("return announce.textContent")
    done = browser.run("return document.querySelector('.files progress').value")
    assert done == 1
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        browser.picture(PICTURES / f"import-{scheme}-wide.png")
    assert [one for one in browser.complaints() if "422" not in one] == []


def test_a_file_is_chosen_by_keyboard(
    console: Console, seen: See, tmp_path: Path
) -> None:
    browser = seen(Role.OPERATOR, "/vouchers")
    file = tmp_path / "delivery.pem"
    file.write_text(sold_to(console.site, 1, "chosen board")[0])
    browser.type("#files", str(file))  # what the dialog of the browser does
    browser.wait(lambda: "1 imported" in browser.text(".files"), "the import")
    browser.wait(lambda: "chosen board" in browser.text("table"), "the new voucher")


def test_over_tls_the_session_is_in_a_cookie_of_this_host_alone(
    chromium: Browser, tmp_path: Path
) -> None:
    site, authority = Site(tmp_path), Authority("console's authority")
    key, certificate = authority.issue("127.0.0.1")
    files = {"tls_key": tmp_path / "tls.key", "tls_certificate": tmp_path / "tls.crt"}
    files["tls_key"].write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    files["tls_certificate"].write_bytes(certificate.public_bytes(Encoding.PEM))
    settings = site.settings(Service.OWNER, background=False, **files)
    token = site.api_key(settings, Role.OPERATOR)
    # Our authority is none of the browser's; what is looked at is the cookie.
    with site.serve(settings) as service, browser(_NO_AUTHORITY) as found:
        found.open(service.url.replace("http://", "https://") + "/login")
        found.type("#key", token)
        found.click("button.first")
        found.wait(lambda: "Fleet" in found.title, "the fleet")
        (cookie,) = found.cookies()
    assert cookie["name"] == "__Host-vouchgate-session"
    assert cookie["secure"] is True
    assert "expiry" not in cookie


_NO_AUTHORITY = "--ignore-certificate-errors"
