"""``vouchgate device onboard``: find the owner, and become its device."""

from contextlib import closing
from typing import Annotated

import typer

from onboarding.cli.api import trust_of
from onboarding.cli.device_choices import STATE, Directory, cipher_named
from onboarding.cli.device_telling import binding_told, tell_progress
from onboarding.cli.options import Ca
from onboarding.cli.output import Json, print_facts, print_json
from onboarding.device.http import new_client
from onboarding.device.machine import Machine
from onboarding.device.onboard import Onboarder, Patience
from onboarding.device.progress import Diary, silent
from onboarding.device.suites import Suites
from onboarding.wire.message import KexSuite


def onboard(
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds through the rendezvous information.")
    ] = 1,
    forever: Annotated[
        bool, typer.Option("--forever", help="Go on until there is an owner.")
    ] = False,
    max_delay: Annotated[
        float, typer.Option(min=0, help="Longest wait between tries, seconds.")
    ] = 3600.0,
    kex: Annotated[
        KexSuite | None,
        typer.Option(help="Key exchange; else one for the owner's kind of key."),
    ] = None,
    cipher: Annotated[
        str | None, typer.Option(help="Cipher; else one as strong as the exchange.")
    ] = None,
    ca: Ca = None,
    directory: Directory = STATE,
    json: Json = False,
) -> None:
    """Find the owner through rendezvous, and become its device (TO1, TO2).

    What is tried, what failed and when it is tried again is told as it happens.
    """
    patience = Patience(None if forever else rounds, max_delay)
    suites = Suites(kex, None if cipher is None else cipher_named(cipher))
    trust = trust_of(ca)
    tell = Diary(directory, silent if json else tell_progress)
    with closing(new_client(trust)) as client, Machine.load(directory) as machine:
        onboarder = Onboarder(machine, client, patience, trust, tell, suites=suites)
        taken = onboarder.run()
    facts: dict[str, object] = {
        "guid": str(taken.guid),
        "previous_guid": str(taken.previous_guid),
        "owner": taken.owner_url,
        "binding": binding_told(taken.binding),
        "files": list(taken.files),
        "modules": [str(one) for one in taken.modules],
    }
    print_json(facts) if json else print_facts(facts)
