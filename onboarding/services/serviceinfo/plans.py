"""Which plan a device is given, ready to run; compiled once for all its devices."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

from pydantic import ValidationError

from onboarding.protocol.errors import ProtocolError
from onboarding.services.context import Context
from onboarding.services.serviceinfo.builders import Builder, built_in
from onboarding.services.serviceinfo.files import PlanFiles, Signature
from onboarding.services.serviceinfo.plan import CompiledPlan, PlanDocument, compiled
from onboarding.services.serviceinfo.plugin_builders import plugin_builders
from onboarding.store.errors import NotFound
from onboarding.store.module_plans import PlanRecord
from onboarding.store.plan_rules import PlanChoice

KEPT = 16  # compiled plans, with their files

_Key = tuple[str, int, tuple[Signature, ...]]


class PlanUnusable(ProtocolError):
    """The plan a device is to be given cannot be run as it stands."""


class Plans:
    """Chooses and compiles; what was compiled is kept by its version and files."""

    def __init__(self, context: Context) -> None:
        stores = context.stores
        self._records, self._rules = stores.module_plans, stores.plan_rules
        self._builders: Mapping[str, Builder] = {
            **plugin_builders(),
            **built_in(context.key_store, context.settings.conformance_token_file),
        }
        self.files = PlanFiles(stores.module_files, context.settings.files_directory)
        self._documents: dict[tuple[str, int], PlanDocument] = {}
        self._kept: OrderedDict[_Key, CompiledPlan] = OrderedDict()
        self._by_id: dict[str, CompiledPlan] = {}
        self._lock = Lock()

    def of(self, guid: bytes) -> CompiledPlan | None:
        """Return the plan that a run of this device begins with; None for none.

        Raises:
            PlanUnusable: It cannot be run: a file or a module is gone.
        """
        choice = self._rules.choose(guid)
        return None if choice is None else self._compiled(choice.plan, choice.version)

    def again(self, plan_id: str) -> CompiledPlan:
        """Return the plan that a run began with, here or at another replica.

        Raises:
            PlanUnusable: It is not there any more, byte for byte.
        """
        known = self._by_id.get(plan_id)
        if known is not None:
            return known
        name, _, rest = plan_id.partition("@")
        version = rest.partition("@")[0]
        found = self._compiled(name, int(version))
        if found.id != plan_id:
            raise PlanUnusable(f"files of plan {name}@{version} changed during the run")
        return found

    def chosen(self, guid: bytes) -> PlanChoice | None:
        """Return what a device would be given now, and why."""
        return self._rules.choose(guid)

    def check(self, name: str, version: int, document: PlanDocument) -> CompiledPlan:
        """Raises ValueError: it could not be run; says which step, and why."""
        return compiled(name, version, document, self._builders, self.files)

    def _compiled(self, name: str, version: int) -> CompiledPlan:
        try:
            document = self._document(name, version)
            seen = tuple(self.files.signature(path) for path in document.paths)
            key = (name, version, seen)
            with self._lock:
                if key not in self._kept:
                    self._keep(key, self.check(name, version, document))
                self._kept.move_to_end(key)
                return self._kept[key]
        except (ValueError, NotFound) as error:
            raise PlanUnusable(f"plan {name}@{version}: {error}") from error

    def _keep(self, key: _Key, plan: CompiledPlan) -> None:
        while len(self._kept) >= KEPT:
            _, gone = self._kept.popitem(last=False)
            self._by_id.pop(gone.id, None)
        self._kept[key] = self._by_id[plan.id] = plan

    def _document(self, name: str, version: int) -> PlanDocument:
        """Versions never change, so each is read once."""
        known = self._documents.get((name, version))
        if known is None:
            known = read_document(self._records.get(name, version))
            if len(self._documents) >= KEPT:
                self._documents.clear()
            self._documents[name, version] = known
        return known


def read_document(record: PlanRecord) -> PlanDocument:
    """Return the plan as it was written. Raises ValueError."""
    try:
        return PlanDocument.model_validate(json.loads(record.body))
    except ValidationError as error:
        raise ValueError("its document is not one this version reads") from error
