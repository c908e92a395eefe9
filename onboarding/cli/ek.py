"""``vouchgate ek``: which endorsement keys are believed, by their CA or one by one."""

import ssl
from pathlib import Path
from typing import Annotated, Any

import typer

from attestation.ek_root import load_root
from attestation.errors import PolicyError
from onboarding.cli import ek_trust
from onboarding.cli.answers import object_of, whole_list
from onboarding.cli.api import connected
from onboarding.cli.files import read_file
from onboarding.cli.options import Ca, KeyFile, Reason, Url, said
from onboarding.cli.output import (
    Json,
    console,
    plain,
    print_json,
    print_table,
    unusable,
    when,
)

app = typer.Typer(no_args_is_help=True, help="Endorsement keys that are believed.")
app.command("import")(ek_trust.import_)
app.command("bundle")(ek_trust.bundle)
app.command("versions")(ek_trust.versions)
app.command("crl")(ek_trust.crl)
app.command("crls")(ek_trust.crls)
app.command("drop-crl")(ek_trust.drop_crl)
app.command("store")(ek_trust.store)

Digest = Annotated[str, typer.Argument(help="SHA-256, as the lists have it.")]
MAX_CERTIFICATES = 1024 * 1024
PEM = "application/x-pem-file"


@app.command()
def roots(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """Certificates that EK chains may end in: TPM vendors' CAs."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, "ek-roots")
    if json:
        return print_json(found)
    _print(found["items"], ("digest", "added_at", "added_by", "subject"))


@app.command()
def trust(
    files: Annotated[
        list[Path], typer.Argument(help="A vendor's CA certificates, PEM or DER.")
    ],
    url: Url,
    reason: Reason = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Trust a vendor's CA from the next binding on; what is trusted stays so.

    A vendor's intermediate CAs may be given, too: nothing is fetched from elsewhere.
    """
    bundle = b"".join(_pem(path) for path in files)
    with connected(url, api_key_file, ca) as api:
        path = f"ek-roots?{said(reason)}"
        made = object_of(api.read(api.request("POST", path, bundle, PEM)))
    if json:
        return print_json(made)
    console().print(f"{made['added']} of {len(made['items'])} are new")
    _print(made["items"], ("digest", "subject"))
    for subject in made["without_path"]:
        console().print(
            f"No path leads from {plain(subject)} to a root here: it vouches for"
            " nothing yet. Trust the CA that issued it, too."
        )


@app.command()
def distrust(
    digest: Digest,
    url: Url,
    reason: Reason = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Trust a certificate no longer; bindings made under it stay as judged."""
    named = ek_trust.digest_of(digest)
    with connected(url, api_key_file, ca) as api:
        api.json("DELETE", f"ek-roots/{named}?{said(reason)}")
    if json:
        return print_json({"digest": named, "trusted": False})
    console().print(f"{named} is trusted no longer")


@app.command()
def accepted(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """Single keys that people accepted by hand."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, "ek-acceptances")
    if json:
        return print_json(found)
    _print(found["items"], ("ek_digest", "accepted_at", "accepted_by", "reason"))


@app.command()
def accept(
    digest: Annotated[
        str, typer.Argument(help="SHA-256 of the key, as a refused binding names it.")
    ],
    reason: Annotated[str, typer.Option(help="How the key came to be known.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Accept one key from the next binding on, as class ``accepted-once``."""
    body = {"ek_digest": ek_trust.digest_of(digest), "reason": reason}
    with connected(url, api_key_file, ca) as api:
        made = object_of(api.json("POST", "ek-acceptances", body))
    if json:
        return print_json(made)
    console().print(f"{made['ek_digest']} is accepted: {plain(made['reason'])}")


@app.command()
def unaccept(
    digest: Digest,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Accept a key no longer; bindings made under it stay as judged."""
    named = ek_trust.digest_of(digest)
    with connected(url, api_key_file, ca) as api:
        api.json("DELETE", f"ek-acceptances/{named}")
    if json:
        return print_json({"ek_digest": named, "accepted": False})
    console().print(f"{named} is accepted no longer")


@app.command()
def refused(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """Single keys that people refused by hand."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, "ek-refusals")
    if json:
        return print_json(found)
    _print(found["items"], ("ek_digest", "refused_at", "refused_by", "reason"))


@app.command()
def refuse(
    digest: Annotated[
        str, typer.Argument(help="SHA-256 of the key, as a binding names it.")
    ],
    reason: Annotated[str, typer.Option(help="Why it is refused.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Refuse one key at once, whatever vouches for it; nothing is released to it."""
    body = {"ek_digest": ek_trust.digest_of(digest), "reason": reason}
    with connected(url, api_key_file, ca) as api:
        made = object_of(api.json("POST", "ek-refusals", body))
    if json:
        return print_json(made)
    console().print(f"{made['ek_digest']} is refused: {plain(made['reason'])}")


@app.command()
def unrefuse(
    digest: Digest,
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Refuse a key no longer: what vouches for it counts again."""
    named = ek_trust.digest_of(digest)
    with connected(url, api_key_file, ca) as api:
        api.json("DELETE", f"ek-refusals/{named}")
    if json:
        return print_json({"ek_digest": named, "refused": False})
    console().print(f"{named} is refused no longer")


def _pem(path: Path) -> bytes:
    """A file's certificates as PEM: vendors hand out DER as often."""
    data = read_file(path, MAX_CERTIFICATES)
    if b"-----BEGIN" in data:
        return data.rstrip() + b"\n"
    try:
        return ssl.DER_cert_to_PEM_cert(load_root(data).encoded).encode()
    except PolicyError as error:
        raise unusable(f"{path}: no certificate, in PEM or DER: {error}") from error


def _print(items: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    times = ("added_at", "accepted_at", "refused_at")
    rows = [
        [when(one[name]) if name in times else one[name] for name in columns]
        for one in items
    ]
    print_table([name.replace("_", " ") for name in columns], rows)
