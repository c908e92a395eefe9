"""Our three services and go-fdo-server's, each having heard of the other."""

import hashlib

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from tests.support.interop.go_client import ALGORITHMS
from tests.support.interop.go_fdo_server import GoFdoServer, directive
from tests.support.interop.services import Trade, tell, trust
from tests.support.interop.services import directive as our_directive

OURS, THEIRS = "ours", "go-fdo-server's"


class Partners:
    """Both sides of a trade, whose keys are of one ``kind``."""

    def __init__(self, trade: Trade, theirs: GoFdoServer, kind: str) -> None:
        self.trade, self.theirs, self.kind = trade, theirs, kind
        makers = (theirs.keys.manufacturer_pem, theirs.keys.owner_pem)
        trust(trade, *map(_fingerprint, makers))
        theirs.trust(theirs.keys.device_ca, trade.factory.text("/device-ca"))

    @property
    def mine(self) -> str:
        """Our owner's public key of this kind."""
        return self.trade.owner_key(ALGORITHMS[self.kind]).public_pem

    def rendezvous(self, whose: str) -> str:
        return (self.trade if whose == OURS else self.theirs).rendezvous.url

    def made(self, whose: str, found_at: str) -> str:
        """Have new devices find that rendezvous; return where a factory makes them."""
        tell(self.trade.factory, our_directive(found_at))
        self.theirs.announce(directive(found_at))
        return (self.trade if whose == OURS else self.theirs).factory.url

    def sold(self, guid: str, made: str, buyer: str) -> None:
        """From a factory to an owner, and from there to a rendezvous.

        Their factory sells to their own owner alone, which then sells it on.
        """
        if made == OURS:
            to = self.mine if buyer == OURS else self.theirs.keys.owner_pem
            voucher = self.trade.sold(guid, to)
        else:
            voucher = self.theirs.voucher(guid)
            if buyer == OURS:
                self.theirs.take(voucher)
                voucher = self.theirs.resold(guid, self.mine)
        if buyer == OURS:
            self.trade.take(voucher)
            self.trade.announced(guid)
        else:
            self.theirs.take(voucher)
            self.theirs.announced(guid)

    def owned(self, guid: str, by: str) -> None:
        if by == OURS:
            self.trade.reached(guid, "owned")
        else:
            assert self.theirs.owned(guid)


def _fingerprint(pem: str) -> str:
    key = load_pem_public_key(pem.encode())
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
