"""Bad vouchers of all twelve classes, with keys of every kind, at all who refuse them.

At an owner's import, at a rendezvous server in TO0, and at the device in TO2. Each is
one change to a voucher that all three take. What one of them cannot see, it takes: a
device has no use for its own certificates, and only a device can check its HMAC.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache

import pytest
from _pytest.mark.structures import ParameterSet

from onboarding.wire.message import MsgType
from ownership_vouchers.errors import Check
from ownership_vouchers.types import Hash, HashType
from tests.support.bad_vouchers import Forged
from tests.support.certifier import Certifier, certifier
from tests.support.databases import NewDatabase
from tests.support.forged_kinds import cases_of
from tests.support.profiles import OF_KIND
from tests.support.refusals import code_of
from tests.support.supply_chain import KINDS

pytestmark = pytest.mark.sqlite_first


def _every(but: frozenset[str] = frozenset()) -> list[ParameterSet]:
    """Each forgery with each kind of key.

    What cannot be read, and what can be read in an odd form, has nothing to do with
    keys: that is tried with those of other kinds in full runs.
    """
    return [
        pytest.param(
            kind,
            name,
            marks=pytest.mark.full
            if kind != "P-256" and verdict in ("ok", "malformed") and name != "good"
            else (),
        )
        for kind in KINDS
        for name, (verdict, _) in cases_of(kind).items()
        if name not in but
    ]


# What is not one CBOR item makes the message around it unreadable.
BROKEN = frozenset(
    {
        "byte after the voucher",
        "voucher of 4 items",
        "voucher of 6 items",
        "voucher of no stated length",
        "entries of no stated length",
    }
)
AT_IMPORT: Mapping[str, str | None] = {
    "no entry yet": "owner_key",
    "key: COSE with short x": "owner_key",  # it is sold to a key made for it
    "byte after the voucher": None,  # a file is a sequence: the byte is another item
    "HMAC of another device": None,
    "over 1 MiB": "malformed",
}
AT_RENDEZVOUS: Mapping[str, int | None] = {
    "GUID of 15 bytes": 5,
    "no entry yet": 2,
    "HMAC of another device": None,
    "over 1 MiB": 100,
    **dict.fromkeys(BROKEN - {"voucher of 6 items"}, 100),
}
AT_DEVICE: Mapping[str, int | None] = {
    "no entry yet": 101,
    "header overwritten": 101,  # its HMAC is looked at first
    "certificate as text": None,
    "voucher of version 100": None,
    "256 entries": 100,
    "over 1 MiB": 100,
}
DEVICE_SEES = {"malformed": 100, "unsupported_key": 101} | {
    check.value: 101
    for check in Check
    if check
    not in (
        Check.CERT_CHAIN_HASH,
        Check.DEVICE_CHAIN,
        Check.DEVICE_INFO,  # under its HMAC, it is what DI said
        Check.RV_INFO,
        Check.LIMITS,
    )
}


@pytest.fixture(scope="module")
def sites(
    tmp_path_factory: pytest.TempPathFactory,
    databases: NewDatabase,
    cheap_key_files: None,
) -> Iterator[Callable[[str], Certifier]]:
    """A site with keys of each kind, opened when it is first asked for."""
    with ExitStack() as stack:

        @cache
        def site_of(kind: str) -> Certifier:
            directory = tmp_path_factory.mktemp("site")
            return stack.enter_context(
                certifier(directory, databases, profile=OF_KIND[kind])
            )

        yield site_of


@pytest.fixture
def bench(kind: str, sites: Callable[[str], Certifier]) -> Certifier:
    return sites(kind)


def forged(kind: str, name: str, bench: Certifier | None = None) -> Forged:
    owner = None if bench is None else bench.owner
    return Forged.of(kind, cases_of(kind)[name][1], secrets.token_bytes(16), owner)


@pytest.mark.parametrize(("kind", "name"), _every())
def test_an_import_names_the_check_that_fails(
    bench: Certifier, kind: str, name: str
) -> None:
    verdict, before = cases_of(kind)[name][0].split(), bench.stored()
    found = forged(kind, name, bench).imported(bench)
    code = AT_IMPORT.get(name, None if verdict == ["ok"] else verdict[0])
    assert found["code"] == code
    assert found["status"] == ("imported" if code is None else "refused")
    assert (bench.stored() == before) is (code is not None)


@pytest.mark.parametrize(("kind", "name"), _every())
def test_a_rendezvous_server_answers_2(bench: Certifier, kind: str, name: str) -> None:
    before = bench.stored()
    answer = forged(kind, name).registered(bench)
    code = AT_RENDEZVOUS.get(name, None if cases_of(kind)[name][0] == "ok" else 2)
    assert answer.code == code
    assert (bench.stored() == before) is (code is not None)


@pytest.mark.parametrize(("kind", "name"), _every(but=BROKEN))
def test_a_device_refuses_it_before_it_proves_itself(kind: str, name: str) -> None:
    pair = forged(kind, name).onboarded()
    code = AT_DEVICE.get(name, DEVICE_SEES.get(cases_of(kind)[name][0]))
    if code is None:
        pair.run()
        return
    assert code_of(pair.run) == code
    assert pair.passed[-1].type in (
        MsgType.TO2_PROVE_OV_HDR,
        MsgType.TO2_OV_NEXT_ENTRY,
    )
    assert pair.effects == []


@pytest.mark.both
@pytest.mark.parametrize("kind", KINDS)
def test_a_voucher_that_names_another_owner_is_not_imported(
    bench: Certifier, kind: str
) -> None:
    """`owner_key`: it holds, and it is not ours."""
    before = bench.stored()
    found = forged(kind, "good").imported(bench)
    assert (found["status"], found["code"]) == ("refused", "owner_key")
    assert bench.stored() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_refuses_another_manufacturer_than_it_knows(kind: str) -> None:
    """`mfg_key_hash`: all else holds, HMAC included."""
    other = Hash(HashType.SHA256, bytes(32))
    pair = forged(kind, "good").onboarded(maker=other)
    assert code_of(pair.run) == 101
    assert pair.passed[-1].type is MsgType.TO2_PROVE_OV_HDR


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_is_tried(kind: str) -> None:
    tried = {
        check for verdict, _ in cases_of(kind).values() for check in verdict.split()
    }
    alone = {Check.OWNER_KEY.value, Check.MFG_KEY_HASH.value}  # just above
    assert {check.value for check in Check} <= tried | alone
    assert len(Check) == 12
