"""The guest's root file system: this very Python, and the device's own programs.

Everything lies where it lies here, so nothing has to be moved: interpreter, standard
library, the shared libraries that ``ldd`` names. What a device installs, which is
``vouchgate[tpm]`` and what that needs, is in ``/opt/vouchgate``.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.boot.parts import REPOSITORY, Parts

PACKAGES = Path("opt/vouchgate")
STATE = "/var/lib/vouchgate"
PYTHON = Path(os.path.realpath(sys.executable))
INSIDE = Path(__file__).with_name("inside.py")
_OWN = ("onboarding", "attestation", "hw", "ownership-vouchers/ownership_vouchers")
_LEFT_OUT = ("test", "tests", "site-packages", "dist-packages", "idlelib", "tkinter")
_LINKS = ("bin", "sbin", "lib", "lib64")

INIT = f"""\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t securityfs securityfs /sys/kernel/security
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
export HOME=/root PATH=/usr/bin:/bin:/usr/sbin:/sbin TERM=dumb COLUMNS=500
export PYTHONPATH=/{PACKAGES} VOUCHGATE_DEVICE={STATE}
cd /root
stty -F /dev/ttyS1 -echo -onlcr -icrnl
{PYTHON} -s /{PACKAGES}/inside.py </dev/ttyS1 >/dev/ttyS1 2>/dev/ttyS0
sync
poweroff -f
"""


def build_userland(parts: Parts, root: Path) -> None:
    """Fill the empty directory ``root``."""
    for name in _LINKS:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("proc", "sys", "dev", "tmp", "root", "etc", STATE.lstrip("/")):
        (root / name).mkdir(parents=True)
    shutil.copy2(parts.busybox, root / "bin/busybox")
    for name in ("sh", "mount", "ip", "stty", "poweroff", "sync"):
        (root / "bin" / name).symlink_to("busybox")
    init = root / "sbin/init"
    init.write_text(INIT)
    init.chmod(0o755)
    _install_python(root)
    _install_packages(root / PACKAGES)
    _install_libraries(root)


def _install_python(root: Path) -> None:
    _copy(PYTHON, root)
    standard = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(
        standard,
        root / standard.relative_to("/"),
        ignore=shutil.ignore_patterns(*_LEFT_OUT, "config-*", "ensurepip", "lib2to3"),
        dirs_exist_ok=True,
    )


def _install_packages(target: Path) -> None:
    target.mkdir(parents=True)
    for source in (REPOSITORY / one for one in _OWN):
        shutil.copytree(source, target / source.name)
    shutil.copy2(INSIDE, target / INSIDE.name)
    for name in _needed("vouchgate", {"tpm"}) - {"vouchgate"}:
        for file in metadata.distribution(name).files or ():
            source = Path(str(file.locate()))
            if ".." not in file.parts and source.is_file():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / file)


def _needed(name: str, extras: Iterable[str]) -> set[str]:
    """The distributions that must be installed for ``name``, itself among them."""
    found: set[str] = set()
    waiting = [(name, frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        found.add(one[0])
        asked = [{"extra": extra} for extra in one[1]] or [{"extra": ""}]
        for requirement in map(Requirement, metadata.requires(one[0]) or ()):
            marker = requirement.marker
            if marker is None or any(marker.evaluate(each) for each in asked):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return found


def _install_libraries(root: Path) -> None:
    """What the programs link to, and the way to a TPM that is a device."""
    built = [root / PYTHON.relative_to("/"), *root.rglob("*.so"), *root.rglob("*.so.*")]
    found = _linked(one for one in built if one.is_file())
    esys = next(one for one in found if one.name.startswith("libtss2-esys"))
    ways = [*esys.parent.glob("libtss2-tcti-device.so*")]
    for library in (*found, *ways, *_linked(ways)):
        _copy(library, root)


def _linked(files: Iterable[Path]) -> set[Path]:
    found: set[Path] = set()
    for file in files:
        said = subprocess.run(  # noqa: S603 - our own files
            ["/usr/bin/ldd", str(file)], capture_output=True, text=True, check=False
        )
        words = (word for line in said.stdout.splitlines() for word in line.split())
        found |= {Path(word) for word in words if word.startswith("/")}
    return {one for one in found if one.is_file() and ".venv" not in one.parts}


def _copy(source: Path, root: Path) -> None:
    """Copy to the same path below ``root``; a link becomes the file it leads to."""
    target = root / source.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy2(source, target)
