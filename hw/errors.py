"""Everything this package raises: one root, one class per party at fault."""


class HwError(Exception):
    """Root of all errors of ``hw``."""


class StructureError(HwError):
    """Bytes that should be a TPM structure are not one, or one we do not accept."""


class EvidenceError(HwError):
    """A well-formed statement does not prove what it was brought forward to prove."""


class TpmError(HwError):
    """The TPM refused or failed a command, or what was asked of it is not there."""


class NvFixedError(TpmError):
    """The index can be removed by the platform hierarchy only, which is closed."""


class TpmUnavailableError(TpmError):
    """No TPM, or no library to talk to one."""


class TpmBusyError(TpmError):
    """The TPM did not answer in time, or too many ask it."""


class LogUnavailableError(HwError):
    """The kernel hands out no such log, or not to us."""


class CredentialError(HwError):
    """The stored device credential cannot be read or written."""


class SoftwareTpmError(HwError):
    """A software TPM could not be made or started."""
