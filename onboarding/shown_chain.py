"""The certificates a TLS server shows, before anybody has believed them.

Python 3.13 has a public way to them. Until then there is but the object that `ssl`
itself keeps, which nothing else here touches.
"""

import ssl
import sys

MAX_SHOWN = 10  # certificates of a server that are looked at
_DER = 2  # of what OpenSSL calls a file type


def shown_by(connection: ssl.SSLSocket) -> list[bytes]:
    """Return up to ten certificates as DER, the server's own first."""
    if sys.version_info >= (3, 13):
        return connection.get_unverified_chain()[:MAX_SHOWN]
    found = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    return [one.public_bytes(_DER) for one in found[:MAX_SHOWN]]
