"""``vouchgate cohort``: a policy by label, observed, then enforced; OS updates."""

from typing import Annotated, Any

import typer

from onboarding.cli.answers import object_of, whole_list
from onboarding.cli.api import Api, connected
from onboarding.cli.guids import guid_of
from onboarding.cli.labels import labels_of
from onboarding.cli.options import Ca, KeyFile, Url, Version
from onboarding.cli.output import (
    OK,
    CliError,
    Json,
    console,
    plain,
    print_json,
    print_table,
    when,
)

app = typer.Typer(no_args_is_help=True, help="Policies by label, and OS updates.")

Name = Annotated[str, typer.Argument(help="Of the cohort.")]
_LABEL = "name=value"


@app.command("list")
def list_(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """Every cohort, which policy it is under, and whether that is enforced."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, "cohorts")
    if json:
        return print_json(found)
    print_table(
        ("cohort", "mode", "policy", "since", "labels"),
        [
            (
                one["name"],
                one["mode"],
                f"{one['policy']} version {one['version']}",
                when(one["changed_at"]),
                ", ".join(f"{k}={v}" for k, v in one["labels"].items()),
            )
            for one in found["items"]
        ],
    )


@app.command()
def observe(
    name: Name,
    policy: Annotated[str, typer.Option(help="Name of the attestation policy.")],
    label: Annotated[
        list[str], typer.Option(metavar=_LABEL, help="Of its devices; repeat for more.")
    ],
    url: Url,
    version: Version = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Have a policy observed on devices with these labels; nothing is withdrawn."""
    body = {"labels": labels_of(label), "policy": policy, "version": version}
    with connected(url, api_key_file, ca) as api:
        made = object_of(api.json("PUT", f"cohorts/{name}", body))
    if json:
        return print_json(made)
    held = f"{made['policy']} version {made['version']}"
    console().print(f"observing {plain(held)} on cohort {plain(name)}")
    console().print("  vouchgate cohort enforce says who would fail.")


@app.command()
def enforce(
    name: Name,
    url: Url,
    accept: Annotated[
        str | None, typer.Option(help="Enforce after the preview of this digest.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=500, help="Devices named at most.")
    ] = 100,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> int:
    """Say who would fail under a cohort's policy; enforce it once it was looked at."""
    with connected(url, api_key_file, ca) as api:
        found = (
            _seen(api, name, limit) if accept is None else _enforced(api, name, accept)
        )
    if json:
        print_json(found)
    elif accept is None:
        _print_preview(found)
    else:
        console().print(f"cohort {plain(name)} is held to {_policy(found)} from now on")
    return OK


@app.command()
def update(
    name: Name,
    version: Annotated[
        int, typer.Option(min=1, help="Version of the policy for the new image.")
    ],
    image: Annotated[str, typer.Option(help="SHA-256 of the new OS image.")],
    url: Url,
    hours: Annotated[
        float, typer.Option(min=0.02, max=720, help="How long the old one counts.")
    ] = 24.0,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Let each device of a cohort match the old version or the new one for a while.

    A device's window ends when it reports the image, or when the time is over.
    """
    body = {"version": version, "image": image.lower(), "seconds": round(hours * 3600)}
    with connected(url, api_key_file, ca) as api:
        done = object_of(api.json("POST", f"cohorts/{name}/update", body))
    if json:
        return print_json(done)
    until = when(done["ends_at"])
    console().print(f"{done['windows']} devices may match either until {until}")


@app.command()
def updates(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """Devices whose update window is open."""
    with connected(url, api_key_file, ca) as api:
        found = object_of(api.json("GET", "updates?limit=200"))
    if json:
        return print_json(found)
    print_table(
        ("device", "policy", "old", "new", "ends", "image"),
        [
            (
                one["guid"],
                one["policy"],
                one["old_version"],
                one["new_version"],
                when(one["ends_at"]),
                one["image"],
            )
            for one in found["items"]
        ],
    )
    if found["next"] is not None:
        console().print("  and more: GET /api/v1/updates has all of them")


@app.command("end-update")
def end_update(
    device: Annotated[str, typer.Argument(help="Any GUID it ever had.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """End a device's update window before its time: only the new version counts."""
    with connected(url, api_key_file, ca) as api:
        done = object_of(api.json("DELETE", f"devices/{guid_of(device)}/update"))
    if json:
        return print_json(done)
    console().print(f"the update window of {plain(device)} is over")


@app.command()
def remove(
    name: Name,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """End a cohort: its devices are held to what else is assigned to them."""
    with connected(url, api_key_file, ca) as api:
        api.json("DELETE", f"cohorts/{name}")
    if json:
        return print_json({"name": name, "removed": True})
    console().print(f"cohort {plain(name)} is no more")


def _seen(api: Api, name: str, limit: int) -> dict[str, Any]:
    found = object_of(api.json("GET", f"cohorts/{name}?limit={limit}"))
    if found["mode"] != "observe":
        raise CliError(
            f"cohort {name} enforces {_policy(found)} already",
            "Observe the next version under another name, or remove this one.",
        )
    return found


def _enforced(api: Api, name: str, digest: str) -> dict[str, Any]:
    return object_of(api.json("POST", f"cohorts/{name}/enforce", {"preview": digest}))


def _print_preview(found: dict[str, Any]) -> None:
    out, counts = console(), found["counts"]
    out.print(f"[bold]{plain(_policy(found))} on cohort {plain(found['name'])}[/]")
    told = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in counts.items())
    out.print(f"  {told}")
    for one in found["not_passing"]:
        failed = one["standing"] == "would-fail"
        colour = "red" if failed else "yellow"
        why = f": {'; '.join(one['failures'][:3])}" if one["failures"] else ""
        line = f"{one['guid']} {one['serial']} {one['standing']}{why}"
        out.print(f"[{colour}]{plain(line)}[/]", soft_wrap=True)
    out.print("Nothing has changed. To enforce it all the same, repeat with")
    out.print(f"  --accept {found['preview']}", soft_wrap=True)


def _policy(found: dict[str, Any]) -> str:
    return f"{found['policy']} version {found['version']}"
