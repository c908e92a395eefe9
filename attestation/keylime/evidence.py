"""What the evidence channel hands to Keylime, made safe from three of its silences.

Keylime 7.14.3 was seen to answer ``valid: true`` when

* the quote covers other PCRs than the values beside it claim: it compares digests but
  never the signed selection, so a resettable PCR can be passed off as any other;
* the policy is empty, or asks for an event log or an IMA list to be checked whose PCRs
  are not in the quote.

All three end here, before anything is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation.keylime.answers import base64_text
from attestation.keylime.errors import KeylimeError
from attestation.keylime.results import QuoteParts
from attestation.keylime.tpm_policy import PcrPolicy, bank_and_text
from hw.algorithms import HashAlg
from hw.errors import HwError
from hw.pcr_blob import parse_pcr_blob
from hw.structures import Attest, AttestKind

MIN_NONCE_BYTES = 16
MAX_PART_BYTES = 4096
MAX_LOG_BYTES = 64 * 1024 * 1024  # Keylime takes 100 MiB in one request
IMA_PCR = 10
# PCRs that Keylime holds against a UEFI event log, if they are in the quote.
MEASURED_BOOT_PCRS = frozenset(range(16)) - {IMA_PCR}


class EvidenceMismatch(KeylimeError):
    """The evidence is not what the policy needs, so Keylime was not asked."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A quote, the keys it is said to come from, logs, and what to hold it against.

    ``ak_public`` must be a key that was bound to the device beforehand: nobody checks
    here that a TPM holds it.
    """

    nonce: bytes  # what the quote must carry as extraData
    ak_public: bytes  # TPM2B_PUBLIC
    ek_public: bytes  # TPM2B_PUBLIC; Keylime wants it but does not look at it
    message: bytes = field(repr=False)  # TPMS_ATTEST
    signature: bytes = field(repr=False)  # TPMT_SIGNATURE
    pcr_blob: bytes = field(repr=False)  # layout: hw.pcr_blob
    pcrs: PcrPolicy
    ima_log: str = field(default="", repr=False)  # lines of the ascii list, complete
    runtime_policy: str = field(default="", repr=False)  # Keylime's JSON; "" = no IMA
    uefi_log: bytes = field(default=b"", repr=False)  # binary_bios_measurements
    reference_state: str = field(default="", repr=False)  # Keylime's JSON; "" = none

    @classmethod
    def of_push(
        cls,
        quote: QuoteParts,
        ak_public: bytes,
        ek_public: bytes,
        pcrs: PcrPolicy,
        uefi_log: bytes = b"",
    ) -> "Evidence":
        """Return what a push attestation brought as evidence, to be judged anew."""
        return cls(
            quote.challenge,
            ak_public,
            ek_public,
            quote.message,
            quote.signature,
            quote.pcr_blob,
            pcrs,
            uefi_log=uefi_log,
        )

    @property
    def size(self) -> int:
        """Bytes, about, of what is handed over."""
        texts = self.ima_log, self.runtime_policy, self.reference_state
        return sum(map(len, texts)) + 2 * len(self.uefi_log) + 4 * MAX_PART_BYTES

    def request(self) -> Mapping[str, object]:
        """Return the body of ``POST /v2.6/verify/evidence``.

        Raises:
            EvidenceMismatch: Quote, values, logs and policy do not fit together.
            KeylimeError: The policy compares nothing or is malformed.
        """
        self._check_sizes()
        bank, values = self._quoted()
        wanted, policy = bank_and_text(self.pcrs)
        if wanted != bank.bank:
            raise EvidenceMismatch(f"the policy is not for the {bank.bank} bank")
        self._check_coverage(frozenset(values))
        # The blob has no padding that says anything, or it would not have been read:
        # Keylime cannot read other values out of it than we did.
        parts = self.message, self.signature, self.pcr_blob
        quote = ":".join(map(base64_text, parts))
        data = {
            "quote": f"r{quote}",
            "nonce": base64_text(self.nonce),
            "hash_alg": bank.bank,
            "tpm_ak": base64_text(self.ak_public),
            "tpm_ek": base64_text(self.ek_public),
            "tpm_policy": policy,
            "runtime_policy": self.runtime_policy,
            "mb_policy": self.reference_state,
            "ima_measurement_list": self.ima_log,
            "mb_log": base64_text(self.uefi_log),
        }
        return {"type": "tpm", "data": data}

    def _check_sizes(self) -> None:
        parts = (self.ak_public, self.ek_public, self.message, self.signature)
        if not all(0 < len(part) <= MAX_PART_BYTES for part in parts):
            raise EvidenceMismatch("a key, the quote or its signature has no fit size")
        if not MIN_NONCE_BYTES <= len(self.nonce) <= MAX_PART_BYTES:
            raise EvidenceMismatch(f"a nonce of {len(self.nonce)} octets")
        if max(len(self.ima_log), len(self.uefi_log)) > MAX_LOG_BYTES:
            raise EvidenceMismatch(f"a log is longer than {MAX_LOG_BYTES} octets")

    def _quoted(self) -> tuple[HashAlg, Mapping[int, bytes]]:
        """Return bank and values, if they are of the very PCRs that were signed."""
        try:
            attest = Attest.from_bytes(self.message)
            bank, values = parse_pcr_blob(self.pcr_blob)
        except HwError as error:
            raise EvidenceMismatch(f"the quote is unreadable: {error}") from error
        selected = [(entry.bank, entry.pcrs) for entry in attest.pcr_selection]
        if attest.kind is not AttestKind.QUOTE or selected != [(bank, tuple(values))]:
            raise EvidenceMismatch("the PCR values are not those that were quoted")
        return bank, values

    def _check_coverage(self, quoted: frozenset[int]) -> None:
        """Logs are only compared with PCRs in the quote; absent ones go unnoticed.

        A *pinned* PCR that is absent is Keylime's to refuse, which it does.
        """
        if self.runtime_policy and IMA_PCR not in quoted:
            raise EvidenceMismatch("an IMA policy needs PCR 10 in the quote")
        if self.reference_state and not quoted >= MEASURED_BOOT_PCRS:
            raise EvidenceMismatch("a reference state needs PCRs 0-9 and 11-15 quoted")
