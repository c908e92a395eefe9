"""``vouchgate keys``: the key files that services sign with."""

import time
from pathlib import Path
from typing import Annotated

import typer

from onboarding.cli import key_questions, key_rotation
from onboarding.cli.files import (
    read_file,
    read_private_key,
    read_secret,
    write_file,
)
from onboarding.cli.output import (
    CliError,
    Json,
    console,
    plain,
    print_json,
    print_table,
)
from onboarding.cli.settings import KeyDirectory, PassphraseFile, load_settings
from onboarding.services import device_ca
from onboarding.services.errors import Problem
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import Custody, KeyInfo, KeyKind, KeyStore

MAX_CHAIN_FILE = 256 * 1024
CaName = Annotated[str, typer.Argument(help="The device CA's name.")]

app = typer.Typer(no_args_is_help=True, help="Keys of owner and manufacturer.")


@app.command()
def new(
    kind: Annotated[KeyKind, typer.Option(help="What the key is for.")],
    name: Annotated[str | None, typer.Option(help="Its name; else its kind.")] = None,
    algorithm: Annotated[
        KeyAlgorithm, typer.Option(help="Kind of key material.")
    ] = KeyAlgorithm.P256,
    custody: Annotated[
        Custody, typer.Option(help="Where the private half lives.")
    ] = Custody.FILE,
    key_directory: KeyDirectory = None,
    key_passphrase_file: PassphraseFile = None,
    public_out: Annotated[
        Path | None, typer.Option(help="Write the public key there too, PEM.")
    ] = None,
    certificate_out: Annotated[
        Path | None, typer.Option(help="Write its certificate there, PEM.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a key. The private half is never printed.

    It stays in an encrypted file, in the PKCS#11 token of VOUCHGATE_PKCS11_…, or in the
    TPM of VOUCHGATE_TPM_….
    """
    store = _store(key_directory, key_passphrase_file)
    info = store.create(name or kind.value, kind, algorithm, custody)
    if public_out is not None:
        write_file(public_out, info.public_pem.encode())
    if certificate_out is not None and info.certificate_pem is not None:
        write_file(certificate_out, info.certificate_pem.encode())
    if json:
        return print_json(_facts(info))
    console().print(f"[green]made[/] {info.kind} key {info.name}: {info.fingerprint}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A private key, PEM or DER.")],
    kind: Annotated[KeyKind, typer.Option(help="owner or manufacturer.")],
    name: Annotated[str | None, typer.Option(help="Its name; else its kind.")] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File with the passphrase of that file.")
    ] = None,
    pss: Annotated[
        bool, typer.Option("--pss", help="An RSA key is for signatures with PSS.")
    ] = False,
    key_directory: KeyDirectory = None,
    key_passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Take in a key that was made elsewhere. The file itself is left where it is."""
    settings = load_settings(
        key_directory=key_directory, key_passphrase_file=key_passphrase_file
    )
    phrase = None if passphrase_file is None else read_secret(passphrase_file)
    key = read_private_key(file, phrase)
    info = KeyStore.of(settings).adopt(name or kind.value, kind, key, pss=pss)
    if json:
        return print_json(_facts(info))
    console().print(f"[green]took[/] {info.kind} key {info.name}: {info.fingerprint}")


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(help="One key; else all.")] = None,
    key_directory: KeyDirectory = None,
    json: Json = False,
) -> None:
    """Print the public half of keys. Needs no passphrase."""
    settings = load_settings(key_directory=key_directory)
    found = KeyStore(settings.key_directory, b"").list()
    if name is not None:
        found = tuple(info for info in found if info.name == name)
        if not found:
            raise CliError(
                f"there is no key {name} in {settings.key_directory}",
                "See `vouchgate keys show` without a name.",
            )
    if json:
        return print_json({"keys": [_facts(info) for info in found]})
    if name is not None:
        return console().print(found[0].public_pem.strip())
    rows = [(i.name, i.kind, i.algorithm, i.custody, i.fingerprint) for i in found]
    print_table(["name", "kind", "algorithm", "custody", "fingerprint"], rows)


@app.command()
def request(
    name: CaName,
    out: Annotated[Path, typer.Option(help="Where the request goes, PEM.")],
    key_directory: KeyDirectory = None,
    key_passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Write a certificate request for a device CA, for an authority above it."""
    store = _store(key_directory, key_passphrase_file)
    write_file(out, device_ca.request(store, name))
    if json:
        return print_json({"name": name, "request": str(out)})
    console().print(f"request for {plain(name)} written to {plain(out)}")


@app.command()
def chain(
    name: CaName,
    file: Annotated[
        Path, typer.Argument(help="PEM: its certificate, then each one's issuer.")
    ],
    key_directory: KeyDirectory = None,
    key_passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Take what an authority issued for a device CA; new devices carry it."""
    store = _store(key_directory, key_passphrase_file)
    pem = read_file(file, MAX_CHAIN_FILE)
    try:
        info = device_ca.take_chain(store, name, pem, int(time.time()))
    except Problem as error:
        raise CliError(error.detail, error.remedy or "") from error
    if json:
        return print_json(_facts(info))
    console().print(f"{plain(name)} has {info.certificates} certificates now")


def _store(directory: Path | None, passphrase_file: Path | None) -> KeyStore:
    settings = load_settings(
        key_directory=directory, key_passphrase_file=passphrase_file
    )
    return KeyStore.of(settings)


def _facts(info: KeyInfo) -> dict[str, object]:
    return {
        "name": info.name,
        "kind": info.kind.value,
        "algorithm": info.algorithm.value,
        "fingerprint": info.fingerprint,
        "public_pem": info.public_pem,
        "certificate_pem": info.certificate_pem,
        "custody": info.custody.value,
        "uri": info.uri,
    }


for _command in (
    key_questions.owned,
    key_questions.match,
    key_rotation.rotate,
    key_rotation.hand_over,
    key_rotation.retire,
    key_rotation.revoke,
    key_rotation.reinstate,
):
    app.command()(_command)
