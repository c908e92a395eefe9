"""What can go wrong on the device; every message says what to do next."""


class DeviceError(Exception):
    """Root of everything the device side raises."""


class NotOnboarded(DeviceError):
    """The device has no credential, or none that names its owner yet."""


class Unreachable(DeviceError):
    """A service did not answer, or not with what the protocol allows."""


class PeerRefused(DeviceError):
    """The peer ended an FDO run with an error message (type 255)."""

    def __init__(self, code: int, previous: int, text: str) -> None:
        super().__init__(f"refused message {previous} with error {code}: {text}")
        self.code = code
        self.previous = previous


class Problem(DeviceError):
    """The owner answered a device call with a problem document (RFC 9457)."""

    def __init__(self, status: int, kind: str, title: str, detail: str) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail


class OwnerNotTrusted(DeviceError):
    """A document is not signed by the owner this device met in TO2."""


class ApplyError(DeviceError):
    """Files of a workload could not be put in place, or not taken away."""


class CredentialUnreadable(DeviceError):
    """What is stored as this device's credential is not one."""
