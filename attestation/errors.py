"""What this package raises: one root, and refusals that say what to do next."""

from enum import StrEnum, unique


class AttestationError(Exception):
    """A check of a device, its evidence or its release could not be passed."""


class PolicyError(AttestationError):
    """A policy, manifest or record is not one we would ever act on."""


class Refused(AttestationError):
    """A check said no: a stable ``code``, a ``sentence`` and a ``remedy``.

    Neither text holds a secret; both may be shown to operators.
    """

    def __init__(self, code: StrEnum, sentence: str, remedy: str) -> None:
        super().__init__(f"{code.value}: {sentence}")
        self.code = code
        self.sentence = sentence
        self.remedy = remedy


@unique
class DocumentFault(StrEnum):
    """Why a signed document is not taken."""

    MALFORMED = "malformed-document"
    WRONG_TYPE = "wrong-document-type"
    BAD_SIGNATURE = "bad-signature"
    WRONG_DEVICE = "document-for-another-device"
    WRONG_PURPOSE = "document-for-another-purpose"
    WRONG_MANIFEST = "document-for-another-manifest"
    WRONG_ORDER = "report-on-another-order"
    WRONG_DEVICE_KEY = "document-for-another-device-key"
    EXPIRED = "document-expired"
    NOT_YET = "document-from-the-future"
    SUPERSEDED = "document-superseded"
    UNSAFE_CONTENT = "unsafe-content"


_REMEDIES = {
    DocumentFault.MALFORMED: "fetch the document again from whoever signed it",
    DocumentFault.WRONG_TYPE: "present the kind of document that is asked for",
    DocumentFault.BAD_SIGNATURE: "check which key must have signed the document",
    DocumentFault.WRONG_DEVICE: "ask for a document that names this device",
    DocumentFault.WRONG_PURPOSE: "sign a request for the call that is made",
    DocumentFault.WRONG_MANIFEST: "ask for a document on the assigned manifest",
    DocumentFault.WRONG_ORDER: "report on the order that was last received",
    DocumentFault.WRONG_DEVICE_KEY: "ask the manufacturer for this device's passport",
    DocumentFault.EXPIRED: "ask for a new one",
    DocumentFault.NOT_YET: "set the clocks of device and owner",
    DocumentFault.SUPERSEDED: "ask the owner again",
    DocumentFault.UNSAFE_CONTENT: "correct the manifest and have it signed again",
}


class DocumentRefused(Refused):
    """A signed document is malformed, of another kind, or not for this use."""

    code: DocumentFault

    def __init__(self, code: DocumentFault, sentence: str) -> None:
        super().__init__(code, sentence, _REMEDIES[code])
