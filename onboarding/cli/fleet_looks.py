"""What ``vouchgate fleet`` shows: the list, one device, and what happened to it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from onboarding.cli.answers import first_of, object_of
from onboarding.cli.api import connected
from onboarding.cli.options import Ca, KeyFile, Most, Url
from onboarding.cli.output import (
    Json,
    console,
    plain,
    print_facts,
    print_json,
    print_table,
    when,
)
from onboarding.store.state import DeviceState
from ownership_vouchers.types import Guid

app = typer.Typer()

Device = Annotated[str, typer.Argument(help="Any GUID it ever had.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept in the audit log.")]


@app.command("list")
def list_(
    url: Url,
    state: Annotated[DeviceState | None, typer.Option(help="Only those.")] = None,
    match: Annotated[
        str | None, typer.Option(help="Words, or a label as name=value.")
    ] = None,
    limit: Most = 100,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Devices by GUID, with their state."""
    query = {"state": state and state.value, "q": match}
    with connected(url, api_key_file, ca) as api:
        found = first_of(api, "devices", limit, query)
    if json:
        return print_json({"items": found})
    print_table(
        ("device", "state", "serial", "last appraised", "labels"),
        [
            (
                one["guid"],
                _state(one) + (" (frozen)" if one["frozen"] else ""),
                one["serial"],
                when(one["appraised_at"]),
                ", ".join(f"{k}={v}" for k, v in sorted(one["labels"].items())),
            )
            for one in found
        ],
    )


@app.command()
def show(
    device: Device,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Everything that is known of one device, and what the gate says now."""
    with connected(url, api_key_file, ca) as api:
        found = object_of(api.json("GET", f"devices/{Guid.parse(device)}"))
    print_json(found) if json else print_facts(found)


@app.command()
def assignment(
    device: Device,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """What a device is to run, and the policy it is held to."""
    with connected(url, api_key_file, ca) as api:
        path = f"devices/{Guid.parse(device)}/assignment"
        found = object_of(api.json("GET", path))
    print_json(found) if json else print_facts(found)


@app.command()
def overview(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """Counts over all owned devices, and whom and what is trusted for them."""
    with connected(url, api_key_file, ca) as api:
        found = object_of(api.json("GET", "security"))
    print_json(found) if json else print_facts(found)


@app.command()
def unattested(
    url: Url,
    limit: Most = 100,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Owned devices that are not freshly attested, the stalest first."""
    with connected(url, api_key_file, ca) as api:
        found = first_of(api, "unattested", limit)
    if json:
        return print_json({"items": found})
    print_table(
        ("device", "state", "serial", "last appraised"),
        [
            (one["guid"], _state(one), one["serial"], when(one["appraised_at"]))
            for one in found
        ],
    )


@app.command()
def timeline(
    device: Device,
    url: Url,
    limit: Annotated[int, typer.Option(min=1, max=200, help="The newest.")] = 200,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """What happened to a device under all its GUIDs, oldest first."""
    with connected(url, api_key_file, ca) as api:
        path = f"devices/{Guid.parse(device)}/timeline"
        found = object_of(api.json("GET", f"{path}?limit={limit}"))
    if json:
        return print_json(found)
    rows = [(when(one["at"]), one["cause"], one["actor"]) for one in found["items"]]
    print_table(("at", "what", "who"), rows)
    if found["next"] is not None:
        before = f"{path}?cursor={found['next']}"
        console().print(plain(f"what was before: vouchgate api get {before}"))


@app.command()
def appraisals(
    device: Device,
    url: Url,
    limit: Most = 20,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """A device's appraisals, newest first, with what was really compared."""
    with connected(url, api_key_file, ca) as api:
        path = f"devices/{Guid.parse(device)}/appraisals"
        found = first_of(api, path, limit)
    if json:
        return print_json({"items": found})
    print_table(
        ("at", "verdict", "policy", "EK", "compared, or why not"),
        [appraisal_row(one) for one in found],
    )


@app.command()
def decisions(
    url: Url,
    device: Annotated[str | None, typer.Argument(help="Else of all.")] = None,
    limit: Most = 20,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Release decisions, newest first, with their reasons."""
    query = {"guid": None if device is None else str(Guid.parse(device))}
    with connected(url, api_key_file, ca) as api:
        found = first_of(api, "decisions", limit, query)
    if json:
        return print_json({"items": found})
    for one in found:
        word = "[green]allowed[/]" if one["allowed"] else "[red]denied[/]"
        console().print(f"{when(one['at'])}  {one['guid']}  {word}")
        for reason in one["reasons"]:
            console().print(f"  {plain(reason['sentence'])}")
    if not found:
        console().print("none")


def _state(one: Mapping[str, Any]) -> str:
    """With the mark of a device that was onboarded, but not with a key in a TPM."""
    marked = one["weaker"] and one["owned_at"] is not None
    return f"{one['state']}, weaker class" if marked else str(one["state"])


def _policy(one: Mapping[str, Any]) -> str:
    return f"{one['policy']} version {one['policy_version']}"


def appraisal_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """One appraisal, as the API shows it, as a row."""
    ek = one["ek_class"] or "not kept"
    return when(one["at"]), one["verdict"], _policy(one), ek, _told(one)


def _told(one: Mapping[str, Any]) -> str:
    failures = "; ".join(f"{f['message']}" for f in one["failures"])
    return failures or ", ".join(one["compared"]) or "nothing"
