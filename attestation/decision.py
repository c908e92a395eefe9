"""What a release decision says, and how it is written down."""

from dataclasses import dataclass
from enum import StrEnum, unique

from attestation.errors import PolicyError
from attestation.json_read import JsonObject


@unique
class DenyCode(StrEnum):
    """Why a device is kept out."""

    NOT_OWNED = "not-owned"
    RETIRED = "retired"
    EK_UNKNOWN = "ek-not-judged"
    EK_NOT_ACCEPTED = "ek-class-not-accepted"
    NO_IDENTITY = "no-factory-identity"
    BINDING_UNKNOWN = "not-bound"
    BINDING_NOT_ACCEPTED = "binding-class-not-accepted"
    NO_POLICY = "no-attestation-policy"
    NEVER_APPRAISED = "never-appraised"
    APPRAISAL_FAILED = "appraisal-failed"
    NOT_CHECKED = "appraisal-not-checked"
    APPRAISAL_OF_ANOTHER = "appraisal-of-another-device"
    OTHER_POLICY = "appraised-under-another-policy"
    COMPARED_TOO_LITTLE = "compared-too-little"
    STALE = "appraisal-stale"
    FROM_THE_FUTURE = "appraisal-from-the-future"
    LABELS = "labels-do-not-match"
    NOTHING_ASSIGNED = "nothing-assigned"
    FROZEN = "frozen"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing in the way: stable code, what it is, what would change it."""

    code: DenyCode
    sentence: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Allow:
    """Release; ``reasons`` are what it rests on, ``until`` when that ends (s, UTC)."""

    reasons: tuple[str, ...]
    until: int


@dataclass(frozen=True, slots=True)
class Deny:
    """Keep out; at least one reason."""

    reasons: tuple[Reason, ...]


Decision = Allow | Deny


def decision_to_json(decision: Decision) -> dict[str, object]:
    match decision:
        case Allow(reasons, until):
            return {"allow": True, "reasons": list(reasons), "until": until}
        case Deny(reasons):
            said = [[one.code.value, one.sentence, one.remedy] for one in reasons]
            return {"allow": False, "reasons": said, "until": None}


def decision_from_json(document: object) -> Decision:
    """Raises PolicyError on what ``decision_to_json`` did not write."""
    fields = JsonObject(document, ("allow", "reasons", "until"), "decision")
    if fields.boolean("allow"):
        return Allow(fields.texts("reasons"), fields.integer("until"))
    reasons = tuple(_reason(one) for one in fields.items("reasons"))
    if not reasons:
        raise PolicyError("decision: a denial has a reason")
    return Deny(reasons)


def _reason(item: object) -> Reason:
    match item:
        case [str(code), str(sentence), str(remedy)] if code in set(DenyCode):
            return Reason(DenyCode(code), sentence, remedy)
        case _:
            raise PolicyError("decision: a reason is code, sentence and remedy")
