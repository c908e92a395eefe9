"""A voucher of 255 entries with RSA keys: some 240 KB, and every message takes it.

Imported, registered by TO0, found by TO1 and walked in TO2, through the real route.
Only message 22 carries all of it; each entry has a message of its own.
"""

from collections.abc import Iterator

import pytest

from onboarding.protocol.device_env import To0OwnerEnv
from onboarding.protocol.to0_owner import To0Owner
from onboarding.protocol.to1_device import To1Device
from onboarding.protocol.to2_device import To2Device
from onboarding.services.fdo_front import MAX_BODY
from onboarding.wire.message import MsgType
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import dump_pem
from ownership_vouchers.verify import verify
from ownership_vouchers.voucher import MAX_ENTRIES, Voucher
from tests.support.bad_vouchers import buyer
from tests.support.certified_runs import ADDRESS
from tests.support.certifier import Certifier, Conversation, certifier
from tests.support.databases import NewDatabase
from tests.support.fdo_roles import Roles
from tests.support.forge import Forge
from tests.support.profiles import RSA3072
from tests.support.supply_chain import Party, SupplyChain

pytestmark = pytest.mark.sqlite_first


@pytest.fixture(scope="module")
def bench(
    tmp_path_factory: pytest.TempPathFactory,
    databases: NewDatabase,
    cheap_key_files: None,
) -> Iterator[Certifier]:
    with certifier(
        tmp_path_factory.mktemp("site"), databases, profile=RSA3072
    ) as found:
        yield found


@pytest.fixture(scope="module")
def chain(bench: Certifier) -> SupplyChain:
    """A device that went through 254 hands before it came to the owner's."""
    chain = RSA3072.supply_chain().make_device()
    dealer = Party.found("dealer", chain.kind, chain.encoding)
    buyers = (*(dealer,) * (MAX_ENTRIES - 1), buyer(bench.owner))
    chain.voucher = Voucher.from_cbor(Forge(chain, buyers).encode())
    chain.owner = buyers[-1]
    return chain


def test_the_longest_chain_of_rsa_keys_goes_all_the_way(
    bench: Certifier, chain: SupplyChain
) -> None:
    voucher = chain.voucher
    assert len(voucher.entries) == 255
    assert len(voucher.raw) > 3 * MAX_BODY
    verify(voucher, hmac_secret=chain.hmac_secret, mfg_key_hash=chain.mfg_key_hash)

    result = bench.call("POST", "/vouchers", content=dump_pem(voucher)).json()
    assert [one["status"] for one in result["results"]] == ["imported"]

    owner = chain.owner.signer
    Conversation(
        bench, To0Owner(To0OwnerEnv(voucher, owner, (ADDRESS,), 3600))
    ).finish()
    to1 = Conversation(bench, To1Device(Roles(chain).to1_device_env()))
    to1d = to1.finish()

    env = Roles(chain).device_env(kex=RSA3072.kex, cipher=RSA3072.cipher, to1d=to1d)
    talk = Conversation(bench, To2Device(env))
    sizes = []
    for number in range(MAX_ENTRIES):
        talk.until(MsgType.TO2_GET_OV_NEXT_ENTRY)
        answer = talk.send()
        sizes.append(len(answer.body))
        assert int(answer.type) == MsgType.TO2_OV_NEXT_ENTRY, number
    talk.until(MsgType.TO2_PROVE_DEVICE)  # it has followed them all to the owner's key
    onboarded = talk.finish()
    assert max(sizes) < 1300
    assert PublicKey.from_cbor(onboarded.owner_key).same_key(chain.owner.public_key)
