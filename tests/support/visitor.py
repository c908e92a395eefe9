"""Somebody at a browser without scripts: a cookie jar, links and forms."""

import re
from html.parser import HTMLParser
from typing import Any

import httpx


class Visitor:
    """One visitor of a console; ``form`` sends what its pages would send."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(
            base_url=url,
            timeout=120,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),  # nobody closes it
        )

    def login(self, key: str, to: str = "/") -> httpx.Response:
        """Fill in the login form."""
        page = self.http.get("/login", params={"to": to})
        fields = {"csrf": hidden(page.text, "csrf"), "to": to, "key": key}
        return self.http.post("/login", data=fields)

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return self.http.get(path, **kwargs)

    def form(self, path: str, page: str = "/", **fields: str) -> httpx.Response:
        """Send a form as it stands on ``page``."""
        word = self.word(page)
        return self.http.post(path, data={"csrf": word, **fields})

    def word(self, page: str = "/") -> str:
        """What a page's forms bring along."""
        shown = self.http.get(page, follow_redirects=True).text
        found = re.search(r'<meta name="csrf" content="([^"]+)">', shown)
        assert found is not None, shown[:500]
        return found.group(1)


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found.group(1)


class _Markup(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """Every element of a page with its attributes."""
    parser = _Markup()
    parser.feed(page)
    return parser.tags
