"""Every store of one database, opened together."""

from dataclasses import dataclass
from typing import Self

from onboarding.store.apikeys import ApiKeyStore
from onboarding.store.appraisals import AppraisalStore
from onboarding.store.assignments import AssignmentStore
from onboarding.store.bindings import BindingStore
from onboarding.store.boot_logs import BootLogStore
from onboarding.store.checkpoints import CheckpointStore
from onboarding.store.cohorts import CohortStore
from onboarding.store.database import Database
from onboarding.store.decisions import DecisionStore
from onboarding.store.deliveries import DeliveryStore
from onboarding.store.device_keys import DeviceKeyStore
from onboarding.store.devices import DeviceStore
from onboarding.store.ek_acceptances import EkAcceptanceStore
from onboarding.store.ek_refusals import EkRefusalStore
from onboarding.store.ek_trust import EkTrustStore
from onboarding.store.event_log import EventLog
from onboarding.store.idempotency import IdempotencyStore
from onboarding.store.ima_lists import ImaListStore
from onboarding.store.key_rules import KeyRuleStore
from onboarding.store.learnings import LearningStore
from onboarding.store.lineage import LineageStore
from onboarding.store.lines import LineStore
from onboarding.store.made import MadeStore
from onboarding.store.manifests import ManifestStore
from onboarding.store.module_files import ModuleFileStore
from onboarding.store.module_plans import ModulePlanStore
from onboarding.store.observations import ObservationStore
from onboarding.store.overview import OverviewStore
from onboarding.store.owner_keys import OwnerKeyStore
from onboarding.store.plan_rules import PlanRuleStore
from onboarding.store.policies import PolicyStore
from onboarding.store.quotes import QuoteStore
from onboarding.store.registrations import RegistrationStore
from onboarding.store.releases import ReleaseStore
from onboarding.store.reports import ReportStore
from onboarding.store.runs import RunStore, run_store
from onboarding.store.runtime_policies import RuntimePolicyStore
from onboarding.store.rv_servers import RvServerStore
from onboarding.store.sessions import SessionStore
from onboarding.store.settings_rows import SettingStore
from onboarding.store.standings import StandingStore
from onboarding.store.tasks import TaskStore
from onboarding.store.traces import TraceStore
from onboarding.store.update_windows import UpdateWindowStore
from onboarding.store.vouchers import VoucherStore
from onboarding.store.webhooks import WebhookStore


@dataclass(frozen=True, slots=True)
class Stores:
    """What a service keeps, by subject."""

    api_keys: ApiKeyStore
    appraisals: AppraisalStore
    assignments: AssignmentStore
    bindings: BindingStore
    boot_logs: BootLogStore
    checkpoints: CheckpointStore
    cohorts: CohortStore
    decisions: DecisionStore
    deliveries: DeliveryStore
    device_keys: DeviceKeyStore
    devices: DeviceStore
    ek_acceptances: EkAcceptanceStore
    ek_refusals: EkRefusalStore
    ek_trust: EkTrustStore
    events: EventLog
    idempotency: IdempotencyStore
    ima_lists: ImaListStore
    key_rules: KeyRuleStore
    learnings: LearningStore
    lineage: LineageStore
    lines: LineStore
    made: MadeStore
    manifests: ManifestStore
    module_files: ModuleFileStore
    module_plans: ModulePlanStore
    observations: ObservationStore
    owner_keys: OwnerKeyStore
    overview: OverviewStore
    plan_rules: PlanRuleStore
    policies: PolicyStore
    quotes: QuoteStore
    registrations: RegistrationStore
    releases: ReleaseStore
    reports: ReportStore
    runs: RunStore
    runtime_policies: RuntimePolicyStore
    rv_servers: RvServerStore
    sessions: SessionStore
    settings: SettingStore
    standings: StandingStore
    tasks: TaskStore
    traces: TraceStore
    update_windows: UpdateWindowStore
    vouchers: VoucherStore
    webhooks: WebhookStore

    @classmethod
    def of(cls, database: Database) -> Self:
        return cls(
            ApiKeyStore(database),
            AppraisalStore(database),
            AssignmentStore(database),
            BindingStore(database),
            BootLogStore(database),
            CheckpointStore(database),
            CohortStore(database),
            DecisionStore(database),
            DeliveryStore(database),
            DeviceKeyStore(database),
            DeviceStore(database),
            EkAcceptanceStore(database),
            EkRefusalStore(database),
            EkTrustStore(database),
            EventLog(database),
            IdempotencyStore(database),
            ImaListStore(database),
            KeyRuleStore(database),
            LearningStore(database),
            LineageStore(database),
            LineStore(database),
            MadeStore(database),
            ManifestStore(database),
            ModuleFileStore(database),
            ModulePlanStore(database),
            ObservationStore(database),
            OwnerKeyStore(database),
            OverviewStore(database),
            PlanRuleStore(database),
            PolicyStore(database),
            QuoteStore(database),
            RegistrationStore(database),
            ReleaseStore(database),
            ReportStore(database),
            run_store(database),
            RuntimePolicyStore(database),
            RvServerStore(database),
            SessionStore(database),
            SettingStore(database),
            StandingStore(database),
            TaskStore(database),
            TraceStore(database),
            UpdateWindowStore(database),
            VoucherStore(database),
            WebhookStore(database),
        )
