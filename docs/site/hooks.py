"""What the site's pages need besides: links that lead out of docs/ become their words.

The repository's other files are not on the site, and the site knows no address of the
repository.
"""

import posixpath
import re

_LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)\s]+)\)")


def on_page_markdown(markdown, *, page, config, files):
    """Called by MkDocs with each page's source; returns what is rendered."""
    here = posixpath.dirname(page.file.src_uri)

    def plain(found: re.Match[str]) -> str:
        words, target = found.groups()
        path = posixpath.normpath(posixpath.join(here, target.partition("#")[0]))
        return words if path.startswith("../") else found.group()

    return _LINK.sub(plain, markdown)
