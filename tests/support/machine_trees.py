"""Trees of /sys and /proc as some machines have them: made by us, after their shape."""

from pathlib import Path

from hw.kernel_logs import UEFI_LOG
from hw.sysfiles import SysFiles
from tests.support.boot_logs import recorded_log, recorded_pcrs

DT, DMI = "sys/firmware/devicetree/base", "sys/class/dmi/id"
TPM, EFI = "sys/class/tpm/tpm0", "sys/firmware/efi"
SECURE_BOOT = f"{EFI}/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
Tree = dict[str, bytes]

PI: Tree = {
    f"{DT}/compatible": b"raspberrypi,4-model-b\0brcm,bcm2711\0",
    f"{DT}/model": b"Raspberry Pi 4 Model B Rev 1.4\0",
    f"{DT}/serial-number": b"100000003d5c2e1f\0",
    "proc/cpuinfo": b"processor\t: 0\nBogoMIPS\t: 108.00\n\n"
    b"processor\t: 1\nBogoMIPS\t: 108.00\n\n"
    b"Model\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
    "proc/meminfo": b"MemTotal:        3884360 kB\nMemFree:          100000 kB\n",
    "sys/block/mmcblk0/size": b"62333952\n",
    "sys/block/mmcblk0/device/name": b"SC32G\n",
    "sys/block/mmcblk0/queue/rotational": b"0\n",
    "sys/block/loop0/size": b"0\n",
    "sys/class/net/eth0/address": b"dc:a6:32:01:02:03\n",
    "sys/class/net/eth0/device/uevent": b"DRIVER=bcmgenet\nOF_NAME=ethernet\n",
    "sys/class/net/lo/address": b"00:00:00:00:00:00\n",
}
BLANK_TPM: Tree = {
    f"{TPM}/tpm_version_major": b"2\n",
    **{f"{TPM}/pcr-sha256/{pcr}": b"0" * 64 + b"\n" for pcr in range(24)},
}
MEASURED_TPM: Tree = {
    f"{TPM}/tpm_version_major": b"2\n",
    **{
        f"{TPM}/pcr-sha256/{pcr}": value.hex().upper().encode() + b"\n"
        for pcr, value in recorded_pcrs("secure-boot").items()
    },
}
SERVER: Tree = {
    f"{DMI}/sys_vendor": b"Example Systems Inc.\n",
    f"{DMI}/product_name": b"Rack 2000\n",
    f"{DMI}/product_serial": b"EX-0042\n",
    f"{DMI}/bios_vendor": b"Example Firmware\n",
    f"{DMI}/bios_version": b"2.17.1\n",
    f"{DMI}/bios_date": b"05/14/2026\n",
    "proc/cpuinfo": b"processor\t: 0\nmodel name\t: Example CPU @ 2.4 GHz\n\n"
    b"processor\t: 1\nmodel name\t: Example CPU @ 2.4 GHz\n",
    "sys/devices/system/cpu/cpu0/online": b"1\n",
    "sys/devices/system/cpu/cpu1/online": b"1\n",
    "sys/devices/system/cpu/cpufreq/boost": b"1\n",
    "proc/meminfo": b"MemTotal:       65829852 kB\n",
    "sys/block/nvme0n1/size": b"1875385008\n",
    "sys/block/nvme0n1/device/model": b"EXAMPLE SSD 960\n",
    "sys/block/nvme0n1/queue/rotational": b"0\n",
    "sys/block/sda/size": b"7814037168\n",
    "sys/block/sda/queue/rotational": b"1\n",
    "sys/class/net/eno1/address": b"3c:ec:ef:00:00:01\n",
    "sys/class/net/eno1/device/uevent": b"DRIVER=igb\n",
    SECURE_BOOT: b"\x06\0\0\0\x01",
    **MEASURED_TPM,
}
UEFI_SERVER: Tree = {**SERVER, str(UEFI_LOG): recorded_log("secure-boot")}
MACHINES: dict[str, Tree] = {
    "raspberry-pi": PI,
    "raspberry-pi-tpm-hat": {**PI, **BLANK_TPM},
    "generic-server-tpm": SERVER,
    "uefi-server-tpm": UEFI_SERVER,
    "qemu-swtpm": {**UEFI_SERVER, f"{DMI}/sys_vendor": b"QEMU\n"},
    "generic-sbc-tpm": {f"{DT}/compatible": b"vendor,board\0", **MEASURED_TPM},
    "generic-tpm-unmeasured": {f"{DT}/compatible": b"vendor,board\0", **BLANK_TPM},
    "generic-no-tpm": {},
}
"""By the board each should be found to be."""


def planted(root: Path, tree: Tree) -> SysFiles:
    """The tree as files."""
    for name, content in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return SysFiles(root)
