"""What of a page some people could not read or press, measured in the browser.

Source: WCAG 2.2, 1.4.3 (contrast of text: 4.5, or 3 where it is large) and 2.5.8
(targets of 24 by 24 CSS pixels, but links in a sentence).
"""

from pathlib import Path

from tests.support.browser import Browser

_SCRIPT = Path(__file__).with_suffix(".js").read_text()


def complaints(browser: Browser) -> list[str]:
    """Return what is too faint, or too small to press; nothing if all is well."""
    found: list[str] = browser.run(_SCRIPT)
    return found
