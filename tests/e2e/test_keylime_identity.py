"""IAK and IDevID at the real registrar, which judges them by a store of its own."""

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.keylime.client import KeylimeClient
from attestation.keylime.credential_blob import auth_tag
from attestation.keylime.errors import KeylimeError
from attestation.keylime.factory_identity import RegisteredIdentity, agent_data
from attestation.keylime.stack import KeylimeStack

if TYPE_CHECKING:
    from hw.tpm import Tpm
    from tests.support.identity_authority import DeviceMaker

pytest_plugins = ["tests.support.keylime_stack"]

AGENT = "1dev1d00-0000-4000-8000-000000000001"


@pytest.fixture(scope="module", params=["H1", "H2"])
def maker(request: pytest.FixtureRequest, tpm: "Tpm") -> "DeviceMaker":
    from tests.support import identity_authority

    maker = identity_authority.DeviceMaker()
    templates = getattr(identity_authority, request.param)
    maker.provision(tpm, tpm._link, templates)
    return maker


def identity_of(tpm: "Tpm", agent: str) -> RegisteredIdentity:
    found = tpm.device_identity()
    assert found is not None
    assert found.idevid is not None
    ak = tpm.attestation_key("ecc")
    said = tpm.certify(ak, found.key, agent_data(agent))
    return RegisteredIdentity(
        found.iak.public,
        found.iak.certificate,
        found.idevid.public,
        found.idevid.certificate,
        said.message,
        said.signature,
    )


def test_the_registrar_takes_the_identity_of_a_maker_it_trusts(
    keylime: KeylimeClient,
    keylime_stack: KeylimeStack,
    tpm: "Tpm",
    maker: "DeviceMaker",
) -> None:
    ak, ek = tpm.create_attestation_key("ecc"), tpm.endorsement_key()
    keys = ek.public, ek.certificate, ak.public
    identity = identity_of(tpm, AGENT)
    keylime.delete(AGENT)
    with pytest.raises(KeylimeError, match="400"):  # nobody trusts this maker yet
        keylime.register(AGENT, *keys, identity)
    trusted = keylime_stack.maker_cas / "maker.pem"
    trusted.write_bytes(maker.issuer.certificate.public_bytes(Encoding.PEM))
    with pytest.raises(KeylimeError, match="400"):
        keylime.register(AGENT, *keys, identity_of(tpm, "another-device"))
    blob = keylime.register(AGENT, *keys, identity)
    secret = tpm.activate_credential(ak, blob.id_object, blob.encrypted_secret)
    keylime.activate(AGENT, auth_tag(secret, AGENT))
    found = keylime.registered(AGENT)
    assert found is not None
    assert found.ak_public == ak.public
    keylime.delete(AGENT)
    trusted.unlink()
