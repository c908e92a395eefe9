"""What the services raise; a `Problem` is what a caller is told."""

from collections.abc import Mapping


class ServicesError(Exception):
    """Root of everything this package raises."""


class SettingsError(ServicesError):
    """A service cannot start with these settings."""


class KeyStoreError(ServicesError):
    """A key file is missing, unreadable, or not opened by the passphrase."""


class CustodyError(KeyStoreError):
    """A token or TPM is not there, does not let us in, or cannot do what is asked."""


class Problem(ServicesError):
    """A refusal as the caller sees it.

    Args:
        status: HTTP status, 400 to 599.
        code: Stable machine name, kebab case; the end of the problem's type.
        detail: One sentence for people. Never a secret.
        remedy: What to do next.
        extra: Further JSON-able members of the problem document.

    Source: RFC 9457.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        remedy: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.remedy = remedy
        self.extra = dict(extra or {})
