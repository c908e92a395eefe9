"""Two TPMs that work together to pass for one: what a chip must refuse."""

import secrets
from typing import TYPE_CHECKING

import pytest

from hw.errors import TpmError
from hw.make_credential import make_credential

if TYPE_CHECKING:
    from hw.tpm import Tpm
    from hw.tss import ESYS_TR, Link

HIERARCHIES = ("RH_NULL", "RH_OWNER", "RH_ENDORSEMENT")


@pytest.mark.parametrize("hierarchy", HIERARCHIES)
def test_the_public_half_of_another_tpms_key_opens_no_credential(
    tpm: "Tpm", other_tpm: "Tpm", hierarchy: str
) -> None:
    """The one way to bring a key's name into a TPM that does not hold the key.

    Were a credential opened for it, the other TPM's quotes would pass for this one's.
    """
    from tpm2_pytss.types import TPM2B_PUBLIC

    from hw import tss

    ek = tpm.endorsement_key()
    own, foreign = (one.create_attestation_key("ecc") for one in (tpm, other_tpm))
    secret = secrets.token_bytes(32)
    blob, seed = make_credential(ek.public, own.name, secret)
    assert tpm.activate_credential(own, blob, seed) == secret  # opens unaltered

    blob, seed = make_credential(ek.public, foreign.name, secret)
    public, _ = TPM2B_PUBLIC.unmarshal(foreign.public)
    link = tpm._link
    with link.use("load public half") as esys:
        handle = esys.load_external(public, hierarchy=getattr(tss.ESYS_TR, hierarchy))
    with pytest.raises(TpmError, match="authValue or authPolicy is not available"):
        activate(link, handle, blob, seed)
    with link.use("flush") as esys:
        esys.flush_context(handle)


def activate(link: "Link", key: "ESYS_TR", blob: bytes, seed: bytes) -> None:
    """TPM2_ActivateCredential with any loaded key in the AK's place."""
    from hw import tss

    with link.use("activate") as esys, link.policy_session() as session:
        esys.policy_secret(tss.ESYS_TR.RH_ENDORSEMENT, session, b"", b"", b"", 0)
        esys.activate_credential(
            key,
            link.require(0x81010001, "endorsement key"),
            tss.TPM2B_ID_OBJECT(blob[2:]),
            tss.TPM2B_ENCRYPTED_SECRET(seed[2:]),
            session2=session,
        )
