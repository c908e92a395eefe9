"""GUIDs as they are written on a command line."""

from onboarding.cli.output import unusable
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.types import Guid


def guid_of(text: str) -> Guid:
    """Read one, dashed or not. Raises CliError (exit code 2)."""
    try:
        return Guid.parse(text)
    except MalformedError as error:
        raise unusable(f"{text} is not a GUID", "It has 32 hex digits.") from error
