"""Stands in for the ``gpg`` module where none works: every PGP check fails.

Keylime turns the error into "signature not verified", so the policy is refused.
"""


class PgpUnavailable(Exception):
    """This installation cannot check PGP signatures."""


class Context:
    """What Keylime makes before it checks a signature; it cannot be made."""

    def __init__(self, **_options: object) -> None:
        raise PgpUnavailable("no working gpg module: install Debian's python3-gpg")
