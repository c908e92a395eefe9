"""A real Chromium, driven over chromedriver's wire protocol.

Source: W3C WebDriver 2; https://www.w3.org/TR/webdriver2/
"""

import base64
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")

SECONDS = 120.0
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the specification's own name
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
TAB, ENTER = "\ue004", "\ue007"


class BrowserError(AssertionError):
    """The browser could not do what a test asked of it."""


def programs() -> tuple[str, str] | None:
    """Chromium and its driver; None where they are not installed."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    return None if browser is None or driver is None else (browser, driver)


@dataclass
class Browser:
    """One window; every call waits for the browser's answer."""

    http: httpx.Client
    session: str

    def open(self, url: str) -> None:
        self._call("POST", "url", url=url)

    @property
    def url(self) -> str:
        return str(self._call("GET", "url"))

    @property
    def title(self) -> str:
        return str(self._call("GET", "title"))

    @property
    def source(self) -> str:
        return str(self._call("GET", "source"))

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script of the test's, which the page's policy does not bind."""
        return self._call("POST", "execute/sync", script=script, args=list(arguments))

    def text(self, selector: str) -> str:
        return str(self._call("GET", f"element/{self._find(selector)}/text"))

    def click(self, selector: str) -> None:
        self._call("POST", f"element/{self._find(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        self._call("POST", f"element/{self._find(selector)}/value", text=text)

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        strokes = [
            {"type": kind, "value": key}
            for key in keys
            for kind in ("keyDown", "keyUp")
        ]
        source = {"type": "key", "id": "keyboard", "actions": strokes}
        self._call("POST", "actions", actions=[source])

    def cookies(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "cookie")
        return found

    def forget(self) -> None:
        """Drop every cookie, as a new visitor has none."""
        self._devtools("Network.clearBrowserCookies")

    def uncached(self) -> None:
        """Fetch everything anew from now on."""
        self._devtools("Network.enable")
        self._devtools("Network.setCacheDisabled", cacheDisabled=True)

    def resize(self, width: int, height: int) -> None:
        """Set the size of what a page is laid out in, as a phone's is."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
        self._devtools("Emulation.setDeviceMetricsOverride", mobile=False, **metrics)

    def scheme(self, name: str) -> None:
        """``light`` or ``dark``, as the system would ask for it; nothing moves."""
        features = [
            {"name": "prefers-color-scheme", "value": name},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self._devtools("Emulation.setEmulatedMedia", features=features)

    def picture(self, path: Path) -> None:
        """Write what the whole page looks like as a PNG."""
        size = self._devtools("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"]}
        shot = self._devtools(
            "Page.captureScreenshot",
            captureBeyondViewport=True,
            clip={**clip, "scale": 1},
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """What the browser's console says since last asked: refused by CSP, say."""
        said = self._call("POST", "se/log", type="browser")
        return [str(one["message"]) for one in said]

    def wait(self, check: Callable[[], T], what: str = "the page") -> T:
        """Return what ``check`` says once it says something true.

        Between two pages there is nothing to be found, so that is waited for, too.
        """
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                found = check()
            except BrowserError:
                if time.monotonic() > deadline:
                    raise
            else:
                if found:
                    return found
                if time.monotonic() > deadline:
                    raise BrowserError(f"{what} did not come")
            time.sleep(0.05)

    def _find(self, selector: str) -> str:
        query = {"using": "css selector", "value": selector}
        return str(self._call("POST", "element", **query)[_ELEMENT])

    def _devtools(self, command: str, **parameters: object) -> Any:
        return self._call("POST", "goog/cdp/execute", cmd=command, params=parameters)

    def _call(self, method: str, command: str, **body: object) -> Any:
        path = f"/session/{self.session}/{command}"
        reply = self.http.request(method, path, json=body if method == "POST" else None)
        value = reply.json()["value"]
        if reply.status_code != 200:
            raise BrowserError(f"{command}: {value['error']}: {value['message']}")
        return value


@contextmanager
def browser(*flags: str) -> Iterator[Browser]:
    """A browser with an empty profile, and further flags; gone afterwards."""
    found = programs()
    assert found is not None
    with tempfile.TemporaryDirectory(prefix="vouchgate-chromium-") as profile:
        with _driver(found[1], profile) as http:
            options = {
                "binary": found[0],
                "args": [*_FLAGS, *flags, f"--user-data-dir={profile}/profile"],
            }
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            body = {"capabilities": {"alwaysMatch": wanted}}
            reply = http.post("/session", json=body).json()["value"]
            if "sessionId" not in reply:
                raise BrowserError(str(reply))
            made = Browser(http, reply["sessionId"])
            try:
                yield made
            finally:
                http.delete(f"/session/{made.session}")


@contextmanager
def _driver(program: str, directory: str) -> Iterator[httpx.Client]:
    """chromedriver on a port of its own choice, which it tells."""
    home = {**os.environ, "HOME": directory}
    said = Path(directory, "driver.log")
    with said.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [program, "--port=0"], stdout=log, stderr=log, env=home
        )
    try:
        port = _port_in(said, process)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http:
            yield http
    finally:
        process.terminate()
        process.wait(SECONDS)


def _port_in(said: Path, process: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        _, found, rest = said.read_text().partition("successfully on port ")
        number = rest.partition(".")[0]
        if found and number.isdecimal():
            return int(number)
        time.sleep(0.05)
    raise BrowserError(f"chromedriver did not start: {said.read_text()[-500:]}")
