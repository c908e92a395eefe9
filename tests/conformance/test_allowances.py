"""What the FIDO Alliance's own tools write otherwise than the spec, and is taken.

Nothing else about these messages is wrong, and nothing of ours is written so.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from onboarding.wire.message import MsgType
from onboarding.wire.serviceinfo import OwnerServiceInfo
from ownership_vouchers import cbor
from tests.support.alterations import change, put
from tests.support.cases import Case, Wrong, by_device, just
from tests.support.certified_runs import run_of
from tests.support.certifier import Certifier
from tests.support.short_roles import ROLES

KEX = -257
TAKEN: Mapping[str, Case] = {
    "32 with a key exchange of null": Case(
        MsgType.TO1_PROVE_TO_RV,
        Wrong.ENCODING,
        by_device(change(lambda claims: {**claims, KEX: [None]})),
        0,
    ),
    "68 with null for a list": Case(
        MsgType.TO2_DEVICE_SERVICE_INFO, Wrong.ENCODING, just(put([True, None])), 0
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_server_takes_it(bench: Certifier, name: str) -> None:
    case = TAKEN[name]
    run = run_of(case.message)(bench)
    body = run.altered(case)
    answer = bench.post(case.message, body, run.talk.token)
    assert (answer.status, answer.type) == (200, case.message + 1)


def test_a_key_exchange_of_null_is_no_key_exchange_in_to2(bench: Certifier) -> None:
    wrong = by_device(put([None], KEX))
    case = Case(MsgType.TO2_PROVE_DEVICE, Wrong.ENCODING, wrong, 100)
    run = run_of(case.message)(bench)
    body = run.altered(case)
    assert bench.post(case.message, body, run.talk.token).code == 100


@pytest.mark.parametrize(
    "wrong", [0, False, "", b"", {}], ids=lambda item: type(item).__name__
)
def test_nothing_but_null_stands_for_a_list(bench: Certifier, wrong: object) -> None:
    kind = MsgType.TO2_DEVICE_SERVICE_INFO
    case = Case(kind, Wrong.ENCODING, just(put(wrong, 1)), 100)
    run = run_of(kind)(bench)
    body = run.altered(case)
    assert bench.post(kind, body, run.talk.token).code == 100


def test_a_device_takes_it() -> None:
    """The owner's first answer has no ServiceInfo, and says so by null."""
    seen: list[bytes] = []

    def null_once(plain: bytes) -> bytes:
        said = OwnerServiceInfo.from_cbor(plain)
        seen.append(cbor.encode([said.more, said.done, said.kvs or None]))
        return seen[-1]

    pair: Any = ROLES.to2()
    alter: dict[MsgType, Callable[[bytes], bytes]] = {
        MsgType.TO2_OWNER_SERVICE_INFO: null_once
    }
    pair.alter = alter
    assert pair.run() is not None
    assert any(one.endswith(b"\xf6") for one in seen)
