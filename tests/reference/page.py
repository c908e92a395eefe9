"""Pages that are partly written by a program, between two marks."""

from pathlib import Path


def between(page: Path, mark: str, text: str) -> str:
    """The page with ``text`` between its marks.

    Raises:
        ValueError: It has not both.
    """
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
    before, found, rest = page.read_text().partition(begin)
    _, also, after = rest.partition(end)
    if not (found and also):
        raise ValueError(f"{page} has not both marks")
    return f"{before}{begin}\n{text}\n{end}{after}"
