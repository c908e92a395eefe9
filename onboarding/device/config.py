"""What a device was told when it was made: kept beside its state, not secret."""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from hw.kernel_logs import KernelLogs
from hw.profiles import BoardProfile, profile
from hw.sysfiles import DEFAULT_TCTI
from onboarding.device.errors import DeviceError, NotOnboarded
from ownership_vouchers.key_algorithm import KeyAlgorithm

FILE = "device.json"
_SERIAL = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """Which machine this is.

    ``tcti`` says where its TPM is, None that it has none and its keys are files.
    ``device_info`` is the model as the voucher will name it. ``key`` is the kind of its
    device key, ``owner_key`` that of its manufacturer and so of its first owners.
    ``allow_reuse`` is whether an owner may leave the device the credential it has.
    ``secret_file`` opens the key files of a device without a TPM; None is one of their
    own beside them. ``uefi_log`` and ``ima_list`` are files to read in place of the
    kernel's own lists. ``image_file`` says which OS image runs: it begins with the
    SHA-256 of the image in hexadecimal, as ``sha256sum`` writes it.
    """

    serial: str
    board: str
    device_info: str
    tcti: str | None = DEFAULT_TCTI
    key: KeyAlgorithm = KeyAlgorithm.P256
    owner_key: KeyAlgorithm = KeyAlgorithm.P256
    allow_reuse: bool = True
    secret_file: str | None = None
    uefi_log: str | None = None
    ima_list: str | None = None
    image_file: str | None = None

    def __post_init__(self) -> None:
        for name in (self.serial, self.device_info):
            if not _SERIAL.fullmatch(name):
                raise DeviceError(
                    f"{name!r} is no serial number or model: 1 to 64 letters, digits,"
                    " '_' or '-'"
                )

    @property
    def secret_path(self) -> Path | None:
        return None if self.secret_file is None else Path(self.secret_file)

    @property
    def logs(self) -> KernelLogs:
        """Where the logs of its boot and of what it runs are."""
        uefi, ima = (
            None if path is None else Path(path)
            for path in (self.uefi_log, self.ima_list)
        )
        return KernelLogs(uefi=uefi, ima=ima)

    def image(self) -> bytes:
        """The SHA-256 of the OS image that runs; empty where nothing says it.

        Read each time: an update writes the file anew. What cannot be read is not
        reported: the owner's window then ends by its time.
        """
        if self.image_file is None:
            return b""
        try:
            with Path(self.image_file).open("rb") as file:
                return bytes.fromhex(file.read(64).decode("ascii"))
        except (OSError, ValueError):
            return b""

    @property
    def profile(self) -> BoardProfile:
        return profile(self.board)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what ``save`` wrote. Raises NotOnboarded when there is nothing."""
        path = directory / FILE
        try:
            document = json.loads(path.read_bytes())
            kinds = {one: KeyAlgorithm(document[one]) for one in ("key", "owner_key")}
            return cls(**{**document, **kinds})
        except FileNotFoundError as error:
            raise NotOnboarded(
                f"there is no device in {directory}: run `vouchgate device di` first"
            ) from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DeviceError(f"{path} is unreadable: {error}") from error

    def save(self, directory: Path) -> None:
        """Keep this in ``directory``, which only its owner may enter."""
        write_private(directory / FILE, json.dumps(asdict(self), indent=2).encode())


def write_private(path: Path, data: bytes) -> None:
    """Write ``path`` for its owner alone, whole or not at all.

    Raises:
        DeviceError: The file system refuses.
    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        raise DeviceError(f"cannot write {path}: {error.strerror}") from error
