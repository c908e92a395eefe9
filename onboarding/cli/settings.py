"""The services' settings as the commands see them: environment, then options."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from onboarding.cli.output import unusable
from onboarding.services.settings import Settings

DatabaseUrl = Annotated[
    str | None,
    typer.Option(help="sqlite:///path or postgresql+psycopg://…", show_default=False),
]
KeyDirectory = Annotated[
    Path | None, typer.Option(help="Where the key files are.", show_default=False)
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File with the key files' passphrase.", show_default=False),
]


def load_settings(**given: object) -> Settings:
    """Settings from the environment (VOUCHGATE_…), options before them.

    Raises:
        CliError: One of them makes no sense (exit code 2).
    """
    try:
        chosen = {name: value for name, value in given.items() if value is not None}
        return Settings(**chosen)  # type: ignore[arg-type]  # checked by pydantic
    except ValidationError as error:
        raise unusable(
            "; ".join(_sentence(one["loc"], one["msg"]) for one in error.errors()),
            "Settings are VOUCHGATE_<NAME> in the environment.",
        ) from error


def require_database(settings: Settings) -> None:
    """Refuse to look into a database that is not there: it would be made, and empty.

    Raises:
        CliError: There is no such file (exit code 2).
    """
    path = settings.database_url.removeprefix("sqlite:///")
    if path != settings.database_url and not Path(path).exists():
        raise unusable(f"{path} is not there", "Set VOUCHGATE_DATABASE_URL.")


def _sentence(where: tuple[int | str, ...], message: str) -> str:
    name = ".".join(map(str, where))
    return f"{name}: {message}" if name else message
