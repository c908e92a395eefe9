"""Inventory: what a machine says it is made of, bounded, whatever its files hold."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.errors import StructureError
from hw.inventory import MAX_DEVICES, Disk, Inventory, Nic, TpmMaker
from hw.inventory_reader import take_inventory
from hw.machine_facts import read_facts
from hw.sysfiles import SysFiles
from ownership_vouchers import cbor
from tests.support.any_bytes import STEADY
from tests.support.machine_trees import DMI, PI, UEFI_SERVER, planted


def test_a_raspberry_pi_is_told(tmp_path: Path) -> None:
    found = take_inventory(planted(tmp_path, PI))
    assert found.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert found.serial == "100000003d5c2e1f"
    assert (found.cpu, found.cpus) == ("Raspberry Pi 4 Model B Rev 1.4", 2)
    assert found.memory == 3884360 * 1024
    assert found.disks == (Disk("mmcblk0", 62333952 * 512, "SC32G", False),)
    assert found.nics == (Nic("eth0", "dc:a6:32:01:02:03", "bcmgenet"),)
    assert (found.firmware, found.uefi, found.secure_boot) == (None, False, None)


def test_a_server_is_told(tmp_path: Path) -> None:
    found = take_inventory(planted(tmp_path, UEFI_SERVER))
    assert (found.model, found.serial) == ("Rack 2000", "EX-0042")
    assert (found.cpu, found.cpus) == ("Example CPU @ 2.4 GHz", 2)
    assert [disk.name for disk in found.disks] == ["nvme0n1", "sda"]
    assert [disk.rotates for disk in found.disks] == [False, True]
    assert found.firmware == "Example Firmware 2.17.1 05/14/2026"
    assert (found.uefi, found.secure_boot) == (True, True)


def test_a_machine_that_says_nothing_is_an_empty_one(tmp_path: Path) -> None:
    found = take_inventory(SysFiles(tmp_path))
    assert (found.model, found.cpus, found.memory, found.disks) == (None, 0, 0, ())


def test_this_machine_can_be_told() -> None:
    found = take_inventory(SysFiles())
    assert found.cpus > 0
    assert found.memory > 0


def test_no_more_is_told_than_fits(tmp_path: Path) -> None:
    many = {f"sys/block/sd{number:04}/size": b"1\n" for number in range(400)}
    many |= {f"sys/class/net/e{n}/device/uevent": b"" for n in range(400)}
    many[f"{DMI}/product_name"] = b"x" * 10_000
    many["proc/cpuinfo"] = b"model name: " + b"y" * 100_000
    found = take_inventory(planted(tmp_path, many))
    assert (len(found.disks), len(found.nics)) == (MAX_DEVICES, MAX_DEVICES)
    assert len(cbor.encode(found.to_item())) < 8192


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    os.mkfifo(tmp_path / "proc/cpuinfo")
    assert take_inventory(SysFiles(tmp_path)).cpu is None


@STEADY
@given(data=st.data(), noise=st.binary(max_size=200))
def test_whatever_stands_in_its_files_a_machine_is_told(
    data: st.DataObject, noise: bytes
) -> None:
    name = data.draw(st.sampled_from(sorted({**PI, **UEFI_SERVER})))
    with tempfile.TemporaryDirectory() as root:
        files = planted(Path(root), {**PI, **UEFI_SERVER, name: noise})
        item = take_inventory(files).to_item()
        read_facts(files)
    assert json.loads(json.dumps(item)) == item
    assert Inventory.from_item(cbor.decode(cbor.encode(item))).to_item() == item


CHANGES: dict[str, dict[str, object]] = {
    "a field too many": {"price": 1},
    "a text as number": {"cpus": "2"},
    "a number as text": {"model": 2},
    "truth as number": {"cpus": True},
    "a number below zero": {"memory": -1},
    "a number of 64 bits": {"memory": 1 << 63},
    "too many disks": {"disks": [None] * (MAX_DEVICES + 1)},
    "a disk that is none": {"disks": [{"name": "sda"}]},
    "a text that moves the cursor": {"model": "x\x1b[2J"},
    "a text without end": {"model": "x" * 513},
    "neither on nor off": {"secure_boot": 1},
    "a TPM of one word": {"tpm": "IFX"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_inventory_of_another_shape_is_refused(name: str, tmp_path: Path) -> None:
    maker = TpmMaker("IFX", "SLB9670", "00" * 8)
    good = take_inventory(planted(tmp_path, PI), maker).to_item()
    assert Inventory.from_item(good).tpm == maker
    with pytest.raises(StructureError, match="inventory"):
        Inventory.from_item({**good, **CHANGES[name]})


@pytest.mark.parametrize("item", [None, [], {}, "x", {1: 2}])
def test_what_is_no_inventory_is_refused(item: object) -> None:
    with pytest.raises(StructureError, match="inventory"):
        Inventory.from_item(item)
