"""Credential stores: both kinds through one contract, then what is special to each."""

import os
import stat
from pathlib import Path

import pytest

from hw.credential import (
    MAX_CREDENTIAL,
    NV_INDICES,
    CredentialStore,
    FileCredential,
    NvCredential,
)
from hw.errors import CredentialError, TpmError
from hw.nv_profile import NvProfile


class Memory:
    """NV in memory, which can lose power in the middle of a write."""

    def __init__(self) -> None:
        self.content: dict[int, bytes] = {}
        self.power_left: int | None = None  # bytes until it fails
        self.locked: set[int] = set()  # until a reset

    def nv_read(self, index: int) -> bytes | None:
        return self.content.get(index)

    def nv_write(
        self,
        index: int,
        data: bytes,
        profile: NvProfile = NvProfile.OWN,
        *,
        exact: bool = False,
    ) -> None:
        if index in self.locked:
            raise TpmError("locked")
        old = self.content.get(index, bytes(len(data)))
        done = len(data) if self.power_left is None else self.power_left
        self.content[index] = data[:done] + old[done:]
        if done < len(data):
            raise OSError("power lost")

    def nv_lock(self, index: int) -> None:
        self.locked.add(index)


@pytest.fixture(params=["nv", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CredentialStore:
    if request.param == "nv":
        return NvCredential(Memory())
    return FileCredential(tmp_path / "credential")


def test_a_new_store_holds_nothing(store: CredentialStore) -> None:
    assert store.load() is None


def test_the_last_save_is_what_is_loaded(store: CredentialStore) -> None:
    for credential in (b"first", b"second", b"t", b"x" * MAX_CREDENTIAL, b"fifth"):
        store.save(credential)
        assert store.load() == credential


@pytest.mark.parametrize("size", [0, MAX_CREDENTIAL + 1])
def test_a_size_out_of_bounds_is_refused_and_nothing_lost(
    store: CredentialStore, size: int
) -> None:
    store.save(b"kept")
    with pytest.raises(CredentialError, match="limit"):
        store.save(bytes(size))
    assert store.load() == b"kept"


@pytest.mark.parametrize("saves", [1, 2, 3])
@pytest.mark.parametrize("power_left", [0, 1, 9, 20, 60])
def test_power_lost_in_a_save_leaves_the_credential_before(
    saves: int, power_left: int
) -> None:
    memory = Memory()
    store = NvCredential(memory)
    for number in range(saves):
        store.save(b"credential %d" % number)
    memory.power_left = power_left
    with pytest.raises(OSError, match="power"):
        store.save(b"never whole" * 20)
    memory.power_left = None
    assert store.load() == b"credential %d" % (saves - 1)
    store.save(b"after")
    assert store.load() == b"after"


def test_two_damaged_slots_are_an_error_and_not_a_new_device() -> None:
    memory = Memory()
    store = NvCredential(memory)
    store.save(b"one")
    store.save(b"two")
    for index in NV_INDICES:
        memory.content[index] = b"?" + memory.content[index][1:]
    with pytest.raises(CredentialError, match="neither copy"):
        store.load()


def test_a_file_is_for_its_owner_only_and_leaves_no_other(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        FileCredential(tmp_path / "credential").save(b"secret")
    finally:
        os.umask(old)
    (only,) = tmp_path.iterdir()
    assert stat.S_IMODE(only.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="cannot write"):
        FileCredential(tmp_path / "absent" / "credential").save(b"x")


def test_a_file_that_cannot_be_read_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="cannot read"):
        FileCredential(tmp_path).load()


def test_a_file_too_large_or_empty_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "credential"
    for content in (b"", bytes(MAX_CREDENTIAL + 1)):
        path.write_bytes(content)
        with pytest.raises(CredentialError, match="limit"):
            FileCredential(path).load()


def test_a_locked_credential_is_read_but_not_changed() -> None:
    memory = Memory()
    store = NvCredential(memory)
    with pytest.raises(CredentialError, match="no credential to lock"):
        store.lock()
    store.save(b"kept")
    store.lock()
    with pytest.raises(TpmError, match="locked"):
        store.save(b"other")
    assert store.load() == b"kept"
