"""``vouchgate fleet``: an owner's devices, and what is done to them."""

from typing import Annotated, Any

import typer

from onboarding.cli.answers import object_of
from onboarding.cli.api import Api, connected
from onboarding.cli.fleet_looks import Device, Reason
from onboarding.cli.fleet_looks import app as looks
from onboarding.cli.labels import labels_of
from onboarding.cli.options import Ca, KeyFile, Url, Version
from onboarding.cli.output import Json, console, plain, print_json, unusable
from ownership_vouchers.types import Guid

app = typer.Typer(no_args_is_help=True, help="An owner's devices.")
app.registered_commands += looks.registered_commands

_LABEL = "name=value"


@app.command()
def label(
    device: Device,
    url: Url,
    labels: Annotated[
        list[str] | None, typer.Argument(metavar=f"[{_LABEL}]...", help="To set.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="Name to take away; repeat for more.")
    ] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Set or take away labels; the others of the device stay."""
    given = labels_of(labels)
    path = f"devices/{_guid(device)}/labels"
    with connected(url, api_key_file, ca) as api:
        reply = api.request("GET", path)
        before = object_of(api.read(reply))["labels"]
        kept = {k: v for k, v in before.items() if k not in (remove or [])}
        # Only if nobody changed them meanwhile.
        same = {"If-Match": reply.headers["etag"]}
        body = {"labels": kept | given}
        done = object_of(api.json("PUT", path, body, headers=same))
    _say(done, json, f"labels of {device}: {_labels(done['labels'])}")


@app.command()
def assign(
    device: Device,
    url: Url,
    manifest: Annotated[str | None, typer.Argument(help="Its name.")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Of the manifest.")] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Say which manifest a device is to run; without one, that it is to run none."""
    if manifest is not None and version is None:
        raise unusable("which version of it?", "Say --version.")
    body = {"manifest": manifest, "version": version}
    done = _put(url, api_key_file, ca, f"devices/{_guid(device)}/assignment", body)
    runs = "nothing" if manifest is None else f"{manifest} version {version}"
    _say(done, json, f"{device} is to run {runs}")


@app.command()
def hold(
    device: Device,
    policy: Annotated[str, typer.Argument(help="Name of an attestation policy.")],
    url: Url,
    version: Version = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Hold a device to an attestation policy from now on."""
    body = {"policy": policy, "version": version}
    done = _put(url, api_key_file, ca, f"devices/{_guid(device)}/policy", body)
    held = f"{done['policy']} version {done['version']}"
    _say(done, json, f"{device} is held to {held}")


@app.command()
def freeze(
    device: Device,
    url: Url,
    reason: Reason,
    lift: Annotated[bool, typer.Option("--lift", help="Let them go on.")] = False,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Stop releases to a device; what it runs is left alone."""
    body = {"frozen": not lift, "reason": reason}
    done = _put(url, api_key_file, ca, f"devices/{_guid(device)}/freeze", body)
    _say(done, json, f"releases to {device} {'go on' if lift else 'are stopped'}")


@app.command()
def withdraw(
    device: Device,
    url: Url,
    reason: Reason,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Take a device's workload back, and release nothing until it is lifted."""
    path = f"devices/{_guid(device)}/withdraw"
    with connected(url, api_key_file, ca) as api:
        done = object_of(api.json("POST", path, {"reason": reason}))
    taken = "is withdrawn" if done["withdrawn"] else "had none that was released"
    _say(done, json, f"the workload of {device} {taken}; releases are stopped")


@app.command()
def retire(
    device: Device,
    url: Url,
    reason: Reason,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Say that a device was sold or scrapped: it is asked for nothing any more."""
    path = f"devices/{_guid(device)}/retire"
    with connected(url, api_key_file, ca) as api:
        done = object_of(api.json("POST", path, {"reason": reason}))
    _say(done, json, f"{device} is retired")


@app.command()
def adopt(
    device: Device,
    url: Url,
    ek: Annotated[
        str | None, typer.Option(help="SHA-256 of the EK that was read off the device.")
    ] = None,
    ak: Annotated[str | None, typer.Option(help="Likewise of its agent's AK.")] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Have the Keylime agent of a device called, if it is on the device's TPM."""
    body = {"ek_digest": ek, "ak_digest": ak}
    done = _put(url, api_key_file, ca, f"devices/{_guid(device)}/agent", body)
    _say(done, json, f"the agent of {device} is called: {done['class']}")


def _put(url: str, key: Any, ca: Any, path: str, body: object) -> dict[str, Any]:
    with connected(url, key, ca) as api:
        return _done(api, path, body)


def _done(api: Api, path: str, body: object) -> dict[str, Any]:
    return object_of(api.json("PUT", path, body))


def _guid(text: str) -> str:
    return str(Guid.parse(text))


def _labels(labels: dict[str, str]) -> str:
    return ", ".join(f"{k}={v}" for k, v in sorted(labels.items())) or "none"


def _say(done: dict[str, Any], as_json: bool, sentence: str) -> None:
    if as_json:
        print_json(done)
    else:
        console().print(plain(sentence))
