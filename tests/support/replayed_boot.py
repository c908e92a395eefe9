"""A software TPM into which a recorded boot is measured again, event by event."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from hw.eventlog import read_event_log
from hw.log_hashes import SHA1, SHA256

if TYPE_CHECKING:
    from hw.tpm import Tpm


def measure(tpm: "Tpm", log: bytes, pcrs: Collection[int] = range(16)) -> None:
    """Extend the digests of a log, the SHA-256 ones; the other banks get as they may.

    The TPM must be as after a reset, or its PCRs will be other ones than the log's.
    """
    from tpm2_pytss import ESYS_TR, TPML_DIGEST_VALUES, TPMT_HA, TPMU_HA

    for event in read_event_log(log).events:
        if event.extends and event.pcr in pcrs:
            digest = event.digests[SHA256]
            values = TPML_DIGEST_VALUES(
                [
                    TPMT_HA(hashAlg=SHA256, digest=TPMU_HA(sha256=digest)),
                    TPMT_HA(hashAlg=SHA1, digest=TPMU_HA(sha1=digest[:20])),
                ]
            )
            with tpm._link.use("measure an event") as esys:
                esys.pcr_extend(ESYS_TR.PCR0 + event.pcr, values)
