"""What TO2 does with a device besides taking it over: binding, files, its plan."""

from collections.abc import Sequence

from attestation.ek_store import EkTrust
from attestation.passport import Passport
from hw.profiles import profiles
from onboarding.protocol.binding_module import BindingModule
from onboarding.protocol.fdo_download import DownloadModule, FilePush
from onboarding.protocol.inventory_module import InventoryModule
from onboarding.protocol.invocation import Invocation
from onboarding.protocol.modules import ModulePlan, OwnerModule
from onboarding.services.errors import SettingsError
from onboarding.services.owned import Owned
from onboarding.services.roots import AcceptedEks, HeldTrust, RefusedEks
from onboarding.services.serviceinfo.plan import CompiledPlan
from onboarding.services.serviceinfo.plans import Plans
from onboarding.services.settings import Download

MAX_FILE = 1024 * 1024  # bytes


class OnboardingModules:
    """A device's modules in the order they run, the same for each of its messages.

    First binding and inventory, then the files of the settings, read once at the
    start, then the plan that the device is given over the API.

    Raises:
        SettingsError: A file cannot be read, or is over 1 MiB.
    """

    def __init__(
        self,
        trust: HeldTrust,
        accepted: AcceptedEks,
        refused: RefusedEks,
        downloads: Sequence[Download],
        plans: Plans,
    ) -> None:
        self._trust = trust
        self._accepted = accepted
        self._refused = refused
        self._downloads = _modules(downloads)
        self._plans = plans
        self._loose: tuple[object, tuple[OwnerModule, ...]] = (None, ())

    def of(self, owned: Owned | None, plan_id: str | None) -> ModulePlan:
        """The modules for one device: those it is given now, or began with.

        Raises:
            PlanUnusable: The plan cannot be run, or is not there any more.
        """
        first = self._first(None if owned is None else owned.passport)
        plan = self._plan(owned, plan_id)
        if owned is None or plan is None:
            return ModulePlan(first)
        header = owned.voucher.header
        facts = {"serial": owned.serial, "model": header.device_info}
        steps = (Invocation(step, facts) for step in plan.steps)
        return ModulePlan((*first, *steps), plan.id)

    def _first(self, passport: Passport | None) -> tuple[OwnerModule, ...]:
        """What every plan begins with; without a passport it is the same for all."""
        trust = self._trust.get()
        if passport is None and self._loose[0] is trust:
            return self._loose[1]
        found: tuple[OwnerModule, ...] = (
            self._binding(passport, trust),
            InventoryModule(),
            *self._downloads,
        )
        if passport is None:
            self._loose = trust, found
        return found

    def _plan(self, owned: Owned | None, plan_id: str | None) -> CompiledPlan | None:
        if plan_id is not None:
            return self._plans.again(plan_id) if plan_id else None
        if owned is None:
            return None
        return self._plans.of(owned.voucher.header.guid.raw)

    def _binding(self, passport: Passport | None, trust: EkTrust) -> BindingModule:
        """Whoever is said to have a TPM must show it; others may go without.

        A device that is not bound is given nothing that is gated.
        """
        refused = self._refused
        if passport is None:
            accepted = self._accepted
            return BindingModule(None, trust, accepted, required=False, refused=refused)
        algs = {one.name: one.ak_alg for one in profiles()}
        alg = algs.get(passport.profile)
        if alg is None:
            return BindingModule(passport, trust, refused=refused)
        return BindingModule(passport, trust, ak_algs=(alg,), refused=refused)


def _modules(downloads: Sequence[Download]) -> tuple[OwnerModule, ...]:
    """One module carries all files; it is required if one of them is."""
    if not downloads:
        return ()
    files = tuple(FilePush(one.name, _content(one)) for one in downloads)
    return (DownloadModule(files, required=any(one.required for one in downloads)),)


def _content(download: Download) -> bytes:
    try:
        with download.path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise SettingsError(f"{download.path}: {error.strerror}") from error
    if len(content) > MAX_FILE:
        raise SettingsError(f"{download.path} is over {MAX_FILE} bytes")
    return content
