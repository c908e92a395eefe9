"""What a release decision is made on: plain facts, stored with the decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Self, TypeVar

from attestation.appraisal import Appraisal
from attestation.binding import BindingClass
from attestation.ek_verdict import EkClass
from attestation.errors import PolicyError
from attestation.json_read import JsonObject
from attestation.policy import AttestationPolicy
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Guid

_E = TypeVar("_E", bound=StrEnum)
_POLICY_KEYS = ("name", "version", "digest", "required", "lease_seconds")
_UPDATE_KEYS = ("policy", "until")
_KEYS = (
    "guid", "ownership", "ek_class", "binding_class", "appraisal", "policy",
    "labels", "manifest_digest", "freezes", "withdrawn",
)  # fmt: skip
_OPTIONAL_KEYS = ("update", "factory_identity")


@unique
class Ownership(StrEnum):
    """Whether this device is ours."""

    NOT_YET = "not-yet"  # imported or registered; TO2 is still to come
    OWNED = "owned"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class AssignedPolicy:
    """The attestation policy a device is under now, as far as a decision needs it."""

    name: str
    version: int
    digest: str
    required: tuple[str, ...]
    lease_seconds: int

    @classmethod
    def of(cls, policy: AttestationPolicy) -> Self:
        return cls(
            policy.name,
            policy.version,
            policy.digest(),
            policy.required,
            policy.lease_seconds,
        )

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "version": self.version,
            "digest": self.digest,
            "required": list(self.required),
            "lease_seconds": self.lease_seconds,
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        fields = JsonObject(document, _POLICY_KEYS, "assigned policy")
        return cls(
            fields.text("name"),
            fields.integer("version"),
            fields.text("digest"),
            fields.texts("required"),
            fields.integer("lease_seconds"),
        )


@dataclass(frozen=True, slots=True)
class UpdateWindow:
    """During an OS update the version before counts as well, ``until`` (s, UTC)."""

    policy: AssignedPolicy
    until: int

    def to_json(self) -> dict[str, object]:
        return {"policy": self.policy.to_json(), "until": self.until}

    @classmethod
    def from_json(cls, document: object) -> Self:
        fields = JsonObject(document, _UPDATE_KEYS, "update window")
        policy = AssignedPolicy.from_json(fields.raw("policy"))
        return cls(policy, fields.integer("until"))


@dataclass(frozen=True, slots=True)
class Facts:
    """All a decision may look at. None means "not known", which never allows.

    ``appraisal`` is the latest that came to a conclusion, passed or failed. One in
    which nothing was checked concludes nothing: it stands here only if there is no
    other, and a lease runs on.
    ``freezes`` names the freezes in force, such as ``fleet``; the empty tuple says
    that there are none. ``withdrawn``: the workload was taken back and the device is
    not cleared since. ``manifest_digest`` is 64 hexadecimal digits. ``update`` is the
    update window that the device is in; None is that it is in none.
    ``factory_identity``: whether a maker that is trusted has certified its IAK.
    """

    guid: Guid
    ownership: Ownership | None = None
    ek_class: EkClass | None = None
    binding_class: BindingClass | None = None
    appraisal: Appraisal | None = None
    policy: AssignedPolicy | None = None
    labels: Mapping[str, str] | None = field(default=None)
    manifest_digest: str | None = None
    freezes: tuple[str, ...] | None = None
    withdrawn: bool | None = None
    update: UpdateWindow | None = None
    factory_identity: bool | None = None

    def __post_init__(self) -> None:
        if self.labels is not None:
            labels = MappingProxyType(dict(self.labels))
            object.__setattr__(self, "labels", labels)

    @property
    def appraised_under(self) -> AssignedPolicy | None:
        """The one of the policies allowed that the appraisal was made under."""
        if self.appraisal is None:
            return None
        beside = None if self.update is None else self.update.policy
        known = (one for one in (self.policy, beside) if one is not None)
        digest = self.appraisal.policy_digest
        return next((one for one in known if one.digest == digest), None)

    def to_json(self) -> dict[str, object]:
        """What older records had not is left out where there is none: they stand."""
        late = {} if self.update is None else {"update": self.update.to_json()}
        known = self.factory_identity is not None
        identity = {"factory_identity": self.factory_identity} if known else {}
        return {
            "guid": str(self.guid),
            "ownership": self.ownership,
            "ek_class": self.ek_class,
            "binding_class": self.binding_class,
            "appraisal": self.appraisal.to_json() if self.appraisal else None,
            "policy": self.policy.to_json() if self.policy else None,
            "labels": None if self.labels is None else dict(self.labels),
            "manifest_digest": self.manifest_digest,
            "freezes": None if self.freezes is None else list(self.freezes),
            "withdrawn": self.withdrawn,
            **late,
            **identity,
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Raises PolicyError on any other shape or value."""
        fields = JsonObject(document, _KEYS, "facts", _OPTIONAL_KEYS)
        appraisal, policy = fields.raw("appraisal"), fields.raw("policy")
        update = fields.raw("update")
        known = fields.known
        try:
            guid = Guid.parse(fields.text("guid"))
        except MalformedError as error:
            raise PolicyError(f"facts: {error}") from error
        return cls(
            guid,
            _member(fields, "ownership", Ownership),
            _member(fields, "ek_class", EkClass),
            _member(fields, "binding_class", BindingClass),
            None if appraisal is None else Appraisal.from_json(appraisal),
            None if policy is None else AssignedPolicy.from_json(policy),
            fields.text_map("labels") if known("labels") else None,
            fields.text("manifest_digest") if known("manifest_digest") else None,
            fields.texts("freezes") if known("freezes") else None,
            fields.boolean("withdrawn") if known("withdrawn") else None,
            None if update is None else UpdateWindow.from_json(update),
            fields.boolean("factory_identity") if known("factory_identity") else None,
        )


def _member(fields: JsonObject, key: str, enum: type[_E]) -> _E | None:
    if not fields.known(key):
        return None
    try:
        return enum(fields.text(key))
    except ValueError as error:
        raise PolicyError(f"facts.{key} is not one we know") from error
