"""What TO2 does with a device besides taking it over: binding and files."""

from collections.abc import Sequence

from attestation.passport import Passport
from hw.profiles import profiles
from onboarding.protocol.binding_module import BindingModule
from onboarding.protocol.fdo_download import DownloadModule, FilePush
from onboarding.protocol.modules import ModulePlan, OwnerModule
from onboarding.services.errors import SettingsError
from onboarding.services.owned import Owned
from onboarding.services.roots import AcceptedEks, EkRoots
from onboarding.services.settings import Download

MAX_FILE = 1024 * 1024  # bytes

_AK_ALGS = {one.name: one.ak_alg for one in profiles()}


class OnboardingModules:
    """A device's modules in the order they run, the same for each of its messages.

    Files are read once, at the start.

    Raises:
        SettingsError: A file cannot be read, or is over 1 MiB.
    """

    def __init__(
        self, roots: EkRoots, accepted: AcceptedEks, downloads: Sequence[Download]
    ) -> None:
        self._roots = roots
        self._accepted = accepted
        self._downloads = _modules(downloads)

    def of(self, owned: Owned | None, plan: str | None = None) -> ModulePlan:
        """The modules for one device."""
        passport = None if owned is None else owned.passport
        return ModulePlan((self._binding(passport), *self._downloads))

    def _binding(self, passport: Passport | None) -> BindingModule:
        """Whoever is said to have a TPM must show it; others may go without.

        A device that is not bound is given nothing that is gated.
        """
        if passport is None:
            roots, accepted = self._roots.all(), self._accepted
            return BindingModule(None, roots, accepted, required=False)
        alg = _AK_ALGS.get(passport.profile)
        roots = self._roots.all()
        if alg is None:
            return BindingModule(passport, roots)
        return BindingModule(passport, roots, ak_algs=(alg,))


def _modules(downloads: Sequence[Download]) -> tuple[OwnerModule, ...]:
    """One module carries all files; it is required if one of them is."""
    if not downloads:
        return ()
    files = tuple(FilePush(one.name, _content(one)) for one in downloads)
    return (DownloadModule(files, required=any(one.required for one in downloads)),)


def _content(download: Download) -> bytes:
    try:
        with download.path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise SettingsError(f"{download.path}: {error.strerror}") from error
    if len(content) > MAX_FILE:
        raise SettingsError(f"{download.path} is over {MAX_FILE} bytes")
    return content
