"""What a verifier in pull mode found, for people: it tells an event's name alone.

The notification of a failure says more, once, and may be lost.
"""

from attestation.appraisal import AppraisalFailure
from attestation.keylime.boot_reference import NOT_JUDGED, NOT_LISTED, UNREADABLE
from attestation.keylime.results import Failure
from onboarding.store.appraisals import AppraisalRecord

_OF_THE_KIND = "Keylime says no more of it, and calls the agent no more"
_LOG_EVENT = "measured_boot."
_EVENTS = (
    (NOT_LISTED, "what was measured while it booted is not what the policy lists"),
    (NOT_JUDGED, "the event log of the boot is missing, or not of the policy's PCRs"),
    (UNREADABLE, "the event log of the boot cannot be read"),
    ("pcr_validation.unused_pcr_10", "no IMA list came, and the policy needs it"),
    ("pcr_validation.unused_pcr_", "no event log came, and the policy needs it"),
    ("pcr_validation.missing_pcr_", "a PCR that has to be quoted was not"),
    ("ima.pcr_mismatch", "the IMA list does not give PCR 10 as it was quoted"),
    ("ima.", "the IMA list holds a file that the runtime policy does not allow"),
    (_LOG_EVENT, "the event log of the boot does not give the PCRs quoted"),
    ("qoute_validation.", "the quote is not one by the bound key, over its nonce"),
)


def says_more(failures: tuple[AppraisalFailure, ...], last: AppraisalRecord) -> bool:
    """Whether these words say more than those that are stored."""
    said = [one.message for one in last.failures]
    return any(
        one.message not in said and _OF_THE_KIND not in one.message for one in failures
    )


def why(event: str) -> AppraisalFailure:
    """What a verifier means that names this event, or none."""
    failure = Failure(event or "pull.failed", "", "")
    if failure.pcr is None or failure.type.startswith(_LOG_EVENT):
        return AppraisalFailure(failure.type, _words(failure.type))
    said = f"PCR {failure.pcr} holds another value than the policy allows"
    return AppraisalFailure(failure.type, said)


def _words(event: str) -> str:
    """What a verifier that tells an event's name alone has found, for people."""
    for beginning, said in _EVENTS:
        if event.startswith(beginning):
            return f"{said}; {_OF_THE_KIND}"
    return f"Keylime failed it; {_OF_THE_KIND}"


def named(failure: AppraisalFailure, told: AppraisalFailure) -> AppraisalFailure:
    """The same failure in the words of a notification; a PCR is named as it is."""
    quoted = not failure.type.startswith(_LOG_EVENT)
    if quoted and Failure(failure.type, "", "").pcr is not None:
        return failure
    return AppraisalFailure(failure.type, told.message)
