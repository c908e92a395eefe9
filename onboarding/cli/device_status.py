"""``vouchgate device status``: who this device is, from its own files."""

from onboarding.cli.device_choices import STATE, Directory
from onboarding.cli.device_telling import pending_guid, story_told
from onboarding.cli.output import Json, print_facts, print_json
from onboarding.device.machine import IN_FILES, Machine
from onboarding.device.progress import Story
from onboarding.device.standing import Standing


def status(directory: Directory = STATE, json: Json = False) -> None:
    """Print who this device is, whom it obeys and what it runs.

    A GUID is pending when TO2 was cut off before its last message: onboard again.
    """
    with Machine.load(directory) as machine:
        identity = machine.identity()
        standing = Standing.load(directory)
        facts: dict[str, object] = {
            "serial": machine.config.serial,
            "board": machine.config.board,
            "keys": "TPM" if machine.has_tpm else IN_FILES,
            "key": machine.config.key.value,
            "guid": str(identity.active.guid),
            "owner": None if identity.owner is None else identity.owner.url,
            "pending_guid": pending_guid(identity),
            "onboarding": story_told(Story.load(directory)),
            "workload": None if standing is None else standing.describe(),
        }
    print_json(facts) if json else print_facts(facts)
