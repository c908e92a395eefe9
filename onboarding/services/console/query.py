"""Links between pages: what is asked for stays in the address, never a secret."""

from urllib.parse import urlencode


def link(path: str, **asked: object) -> str:
    """Return a path with those parts of a query that say something."""
    said = {name: str(value) for name, value in asked.items() if value}
    return f"{path}?{urlencode(said)}" if said else path
