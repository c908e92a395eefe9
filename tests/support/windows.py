"""A device in an update window: its cohort is held to one version and the next."""

from attestation.cohort import Cohort
from attestation.policy import AttestationPolicy
from attestation.runtime_policy import read_runtime_policy
from onboarding.services import enrol_task, enrolment, rows
from onboarding.services.enrolment import EnrolWork
from onboarding.services.keylime_link import KeylimeLink
from tests.support.ima_lists import Measured
from tests.support.owner_bench import OwnerBench
from tests.support.running import runtime_policy

LABELS = {"site": "berlin"}
IMAGE = bytes(range(32))
SECONDS = 1000
KERNEL = 8  # the PCR that another image changes
APP = Measured(b"/usr/bin/app", digest=b"\1" * 32)
MORE = Measured(b"/usr/bin/more", digest=b"\3" * 32)
EVIL = Measured(b"/usr/bin/evil", digest=b"\2" * 32)
OLD = (Measured(b"boot_aggregate"), APP)  # what the old image runs
NEW = (*OLD, MORE)


def store_versions(bench: OwnerBench, old: str, new: str) -> None:
    """Version 1: what the old image measures, KERNEL and its list; 2: the new one."""
    stores, now = bench.context.stores, bench.context.now()
    for version, (value, ran) in enumerate(((old, OLD), (new, NEW)), 1):
        body = runtime_policy(ran)
        stores.runtime_policies.add(body, "test", now)
        made = AttestationPolicy(
            "image",
            version,
            {KERNEL: (value,)},
            lease_seconds=10 * SECONDS,
            runtime_policy=read_runtime_policy(body),
        )
        stores.policies.add(rows.policy_record(made, "test", now))


def hold(bench: OwnerBench) -> None:
    """Hold the device to version 1, by its label."""
    stores, now = bench.context.stores, bench.context.now()
    stores.devices.describe(bench.guid.raw, "test", now, labels=LABELS)
    cohort = Cohort("berlin", LABELS, "image", 1)
    stores.cohorts.observe(cohort, "test", now)
    stores.cohorts.enforce(cohort, "test", now)


def update(bench: OwnerBench) -> int:
    """Let it match version 2 as well, as the route does; return when that ends."""
    context = bench.context
    stores, now = context.stores, context.now()
    held = stores.cohorts.get("berlin").cohort
    stores.cohorts.update(held, 2, IMAGE, now + SECONDS, "test", now)
    enrolment.plan_for(context, (bench.guid.raw,))
    return now + SECONDS


def work(bench: OwnerBench, link: KeylimeLink) -> int:
    """Do the enrolments that are due; return how many there were."""
    context = bench.context
    worker = EnrolWork(context, bench.gate, link)
    due = context.stores.tasks.claim(enrol_task.KIND, "test", context.now(), 60)
    for task in due:
        worker.run(task, "test")
    return len(due)
