"""Assignments: what a device shall run, and the policy it is held to."""

from dataclasses import dataclass

from onboarding.store.database import Database, Writing
from onboarding.store.device_rows import lock
from onboarding.store.direct import Sql
from onboarding.store.errors import Conflict, InvalidRecord, NotFound
from onboarding.store.events import Event
from onboarding.store.gate_tables import AssignmentRow, ManifestRow, PolicyRow
from onboarding.store.policies import PolicyKind

Choice = tuple[str | None, str | None, str | None, int | None]
"""Manifest and its version, policy and its version."""

COLUMNS = (
    "a.manifest_name, a.manifest_version, a.policy_name, a.policy_version, "
    "a.assigned_at, a.assigned_by"
)
_GET = Sql(
    f"SELECT d.guid, {COLUMNS} FROM devices d "  # noqa: S608 - our own names
    "JOIN assignments a ON a.device = d.device WHERE d.guid = ?"
)

NOTHING: Choice = (None, None, None, None)


@dataclass(frozen=True, slots=True)
class AssignmentRecord:
    """A manifest and an attestation policy by name and version; either may lack."""

    guid: bytes
    manifest_name: str | None
    manifest_version: str | None
    policy_name: str | None
    policy_version: int | None
    assigned_at: int
    assigned_by: str

    @property
    def choice(self) -> Choice:
        return (
            self.manifest_name,
            self.manifest_version,
            self.policy_name,
            self.policy_version,
        )


class AssignmentStore:
    """One assignment per device; it follows the device to a new GUID.

    Whatever changes one takes ``instead_of``: what has to stand there, or Conflict.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, guid: bytes) -> AssignmentRecord:
        """The assignment of the device whose GUID is ``guid`` now.

        Raises:
            NotFound: Nothing was assigned to it.
        """
        row = self._database.direct.one(_GET, (guid,))
        if row is None:
            raise NotFound(f"nothing is assigned to device {guid.hex()}")
        return AssignmentRecord(*row)

    def assign_manifest(
        self,
        guid: bytes,
        name: str,
        version: str,
        actor: str,
        at: int,
        instead_of: Choice | None = None,
    ) -> AssignmentRecord:
        """Assign a manifest in place of the one before.

        Raises:
            NotFound: There is no such device or manifest.
        """
        with self._database.transaction() as writing:
            manifest = writing.session.get(ManifestRow, (name, version))
            if manifest is None:
                raise NotFound(f"there is no manifest {name}@{version}")
            row = _row(writing, guid, actor, at, instead_of)
            row.manifest_name, row.manifest_version = name, version
            detail = {"name": name, "version": version}
            digest = manifest.digest
            writing.log(Event("manifest.assigned", actor, at, guid, digest, detail))
            return _record(row, guid)

    def assign_policy(
        self,
        guid: bytes,
        name: str,
        version: int,
        actor: str,
        at: int,
        instead_of: Choice | None = None,
    ) -> AssignmentRecord:
        """Hold the device to an attestation policy from now on.

        Raises:
            NotFound: There is no such device or policy.
            InvalidRecord: The policy is not for attestation.
        """
        with self._database.transaction() as writing:
            policy = writing.session.get(PolicyRow, (name, version))
            if policy is None:
                raise NotFound(f"there is no policy {name}@{version}")
            if policy.kind != PolicyKind.ATTESTATION.value:
                raise InvalidRecord(f"policy {name} is of kind {policy.kind}")
            row = _row(writing, guid, actor, at, instead_of)
            row.policy_name, row.policy_version = name, version
            detail = {"name": name, "version": version}
            writing.log(
                Event("policy.assigned", actor, at, guid, policy.digest, detail)
            )
            return _record(row, guid)

    def clear_manifest(
        self, guid: bytes, actor: str, at: int, instead_of: Choice | None = None
    ) -> AssignmentRecord:
        """Assign no manifest; the policy stays.

        Raises:
            NotFound: There is no such device.
        """
        with self._database.transaction() as writing:
            row = _row(writing, guid, actor, at, instead_of)
            row.manifest_name = row.manifest_version = None
            writing.log(Event("manifest.unassigned", actor, at, guid))
            return _record(row, guid)


def _row(
    writing: Writing, guid: bytes, actor: str, at: int, instead_of: Choice | None
) -> AssignmentRow:
    device = lock(writing, guid).device
    row = writing.session.get(AssignmentRow, device)
    there = NOTHING if row is None else _record(row, guid).choice
    if instead_of is not None and there != instead_of:
        raise Conflict("the assignment was changed meanwhile")
    if row is None:
        row = AssignmentRow(device=device, assigned_at=at, assigned_by=actor)
        writing.session.add(row)
    row.assigned_at, row.assigned_by = at, actor
    return row


def _record(row: AssignmentRow, guid: bytes) -> AssignmentRecord:
    return AssignmentRecord(
        guid,
        row.manifest_name,
        row.manifest_version,
        row.policy_name,
        row.policy_version,
        row.assigned_at,
        row.assigned_by,
    )
