"""A factory identity on its way from the device through its owner to Keylime."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.device_identity import BoundIdentity, IdentityClass, ShownKey
from attestation.keylime.errors import KeylimeError
from attestation.keylime.stack import KeylimeStack
from hw.evidence import CertifiedKey
from onboarding.device.push import factory_word
from tests.support.attester import Attester
from tests.support.attesting import PCR
from tests.support.databases import NewDatabase
from tests.support.pushing import Pushing, pushing_device

pytestmark = pytest.mark.sqlite_first


@pytest.fixture
def pushing(
    tmp_path: Path,
    keylime_stack: KeylimeStack,
    pusher: Attester,
    databases: NewDatabase,
) -> Iterator[Pushing]:
    pusher.tpm.extend(PCR, b"what booted")
    with pushing_device(tmp_path, keylime_stack, pusher, databases) as device:
        yield device


@pytest.fixture
def trusted(keylime_stack: KeylimeStack, pusher: Attester) -> Iterator[Path]:
    """The file by which the registrar would trust the maker; it is not there yet."""
    from tests.support.identity_authority import H1, DeviceMaker

    maker = DeviceMaker()
    maker.provision(pusher.tpm, pusher.tpm._link, H1)
    path = keylime_stack.maker_cas / "maker.pem"
    pem = maker.issuer.certificate.public_bytes(Encoding.PEM)
    (keylime_stack.maker_cas / "maker.given").write_bytes(pem)
    yield path
    path.unlink(missing_ok=True)


def bind(pushing: Pushing, klass: IdentityClass) -> None:
    """As TO2 would have bound it."""
    found = pushing.attester.tpm.device_identity()
    assert found is not None
    assert found.idevid is not None
    keys = (_shown(found.iak), _shown(found.idevid))
    identity = BoundIdentity(klass, "", "CN=test device", *keys)
    bindings = pushing.bench.context.stores.bindings
    record = bindings.get(pushing.bench.guid.raw)
    bindings.put(replace(record, identity=identity.encode()), "test")


def _shown(one: CertifiedKey) -> ShownKey:
    return ShownKey(one.public, one.certificate, one.chain)


@pytest.mark.both
def test_keylime_is_told_the_identity_of_a_maker_that_both_trust(
    pushing: Pushing, trusted: Path
) -> None:
    bind(pushing, IdentityClass.FACTORY_TRUSTED)
    word = factory_word(pushing.attester.tpm, "rsa", pushing.agent)
    assert set(word) == {"iak_attest", "iak_sign"}
    with pytest.raises(KeylimeError, match="400"):  # it does not trust the maker
        pushing.begin(word)
    trusted.write_bytes(trusted.with_suffix(".given").read_bytes())
    other = factory_word(pushing.attester.tpm, "rsa", "another-device")
    with pytest.raises(KeylimeError, match="400"):
        pushing.begin(other)
    pushing.complete(pushing.proof(pushing.begin(word)))
    entry = pushing.client.registered(pushing.agent)
    assert entry is not None
    assert entry.ak_public == pushing.attester.ak.public


@pytest.mark.parametrize("klass", IdentityClass)
def test_keylime_is_told_nothing_of_a_maker_we_do_not_trust_or_without_its_word(
    pushing: Pushing, trusted: Path, klass: IdentityClass
) -> None:
    bind(pushing, klass)
    word = factory_word(pushing.attester.tpm, "rsa", pushing.agent)
    unknown = klass is IdentityClass.UNKNOWN_MAKER
    # The registrar, which does not trust this maker, would refuse what it is told.
    pushing.complete(pushing.proof(pushing.begin(word if unknown else {})))
    assert pushing.client.registered(pushing.agent) is not None
    assert not trusted.exists()
