"""``vouchgate doctor``: is this machine fit to run what it should run?"""

from typing import Annotated

import typer

from onboarding.cli.doctor import examine
from onboarding.cli.finding import Finding, Health
from onboarding.cli.output import FAILED, Json, console, plain, print_json
from onboarding.cli.settings import (
    DatabaseUrl,
    KeyDirectory,
    PassphraseFile,
    load_settings,
)
from onboarding.services.settings import Role

_MARKS = {
    Health.OK: "[green]ok     [/]",
    Health.WARNING: "[yellow]warning[/]",
    Health.BAD: "[red]bad    [/]",
    Health.SKIPPED: "[dim]skipped[/]",
}


def doctor(
    role: Annotated[Role | None, typer.Option(help="For which service.")] = None,
    database_url: DatabaseUrl = None,
    key_directory: KeyDirectory = None,
    key_passphrase_file: PassphraseFile = None,
    tcti: Annotated[
        str | None, typer.Option(help="Where a TPM should be.", show_default=False)
    ] = None,
    json: Json = False,
) -> int:
    """Check clock, ports, keys, database, vouchers, audit log, EK store, Keylime, TPM.

    0 when nothing is bad (warnings are told), 1 otherwise.
    """
    settings = load_settings(
        role=role,
        database_url=database_url,
        key_directory=key_directory,
        key_passphrase_file=key_passphrase_file,
    )
    findings = []
    for finding in examine(settings, tcti):
        findings.append(finding)
        if not json:
            _show(finding)
    bad = [one.name for one in findings if one.health is Health.BAD]
    if json:
        print_json({"ok": not bad, "checks": [_facts(one) for one in findings]})
    return FAILED if bad else 0


def _show(finding: Finding) -> None:
    line = f"{_MARKS[finding.health]} {finding.name:<16} {plain(finding.detail)}"
    console().print(line)
    if finding.mend:
        console().print(f"        {'':<16} [dim]{plain(finding.mend)}[/]")


def _facts(finding: Finding) -> dict[str, object]:
    return {
        "name": finding.name,
        "health": finding.health.value,
        "detail": finding.detail,
        "mend": finding.mend or None,
    }
