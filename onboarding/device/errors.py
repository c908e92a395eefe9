"""What can go wrong on the device; every message says what to do next."""

from collections.abc import Iterator, Mapping, Sequence


class DeviceError(Exception):
    """Root of everything the device side raises."""


class NotOnboarded(DeviceError):
    """The device has no credential, or none that names its owner yet."""


class NobodyThere(DeviceError):
    """No rendezvous server or owner brought onboarding to its end.

    ``failures`` says how each try ended, as it came: ``(address, error)``.
    """

    def __init__(self, failures: Sequence[tuple[str, Exception]]) -> None:
        self.failures = tuple(failures)
        tried = "; ".join(f"{where}: {error}" for where, error in self.failures[-8:])
        tried = tried or "the rendezvous information names no address"
        super().__init__(f"nobody took this device: {tried}")


class ModulesFailed(DeviceError):
    """A run of TO2 ended while something of it had failed here; says what."""

    def __init__(self, error: Exception, failures: Sequence[object]) -> None:
        self.failures = tuple(failures)
        here = "; ".join(str(one) for one in self.failures[:8])
        super().__init__(f"{error}; on this device: {here}")


class Unreachable(DeviceError):
    """A service did not answer, or not with what the protocol allows."""


class Garbled(Unreachable):
    """A service answered, but with nothing that the protocol knows."""


class Problem(DeviceError):
    """A service answered with a problem document (RFC 9457).

    ``code`` is its short stable name; ``document`` is all of it.
    """

    def __init__(self, status: int, document: Mapping[str, object]) -> None:
        self.status = status
        self.document = document
        self.code = self._text("code")
        self.detail = self._text("detail") or self._text("title") or f"HTTP {status}"
        self.detail += "".join(f"\n{one}" for one in self._faults())
        self.remedy = self._text("remedy")
        super().__init__(self.detail)

    def _faults(self) -> Iterator[str]:
        """Which parts of what was sent are wrong, where the service says so."""
        errors = self.document.get("errors")
        for one in errors[:20] if isinstance(errors, list) else ():
            if isinstance(one, Mapping):
                where = ".".join(map(str, one.get("at") or ()))
                yield f"{where}: {one.get('message')}"[:300]

    def _text(self, name: str) -> str:
        value = self.document.get(name)
        return value[:2000] if isinstance(value, str) else ""


class ApplyError(DeviceError):
    """Files of a workload could not be put in place, or not taken away."""


class CredentialUnreadable(DeviceError):
    """What is stored as this device's credential is not one."""
