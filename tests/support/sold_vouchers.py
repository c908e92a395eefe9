"""Vouchers sold to a console's owner, as files. TEST KEYS."""

from onboarding.services.key_store import KeyKind, KeyStore
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import dump_pem
from ownership_vouchers.verify import restore
from tests.support.services import PASSPHRASE, Site
from tests.support.supply_chain import SupplyChain


def sold_to(site: Site, count: int, info: str = "board of a file") -> list[str]:
    """So many vouchers of new devices, each as PEM, that name the site's owner."""
    keys = KeyStore(site.directory / "keys", PASSPHRASE)
    ours = PublicKey.of(keys.signer(KeyKind.OWNER.value).public_key)
    chain = SupplyChain()
    sold = []
    for _ in range(count):
        chain.make_device(info).sell_to("dealer")
        seller = chain.owner
        whole = restore(chain.voucher)
        sold.append(dump_pem(extend(whole, seller.signer, seller.public_key, ours)))
    return sold


def strange() -> str:
    """A voucher that holds, and names somebody else."""
    return dump_pem(SupplyChain().make_device().sell_to("somebody else").voucher)
