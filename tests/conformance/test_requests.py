"""What a certification tool sends to a server: one thing wrong, and its code.

Every case goes through the real route. After it nothing has been stored and the run
stands where it stood: the right message is taken, or the run is over.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from onboarding.protocol.registry import ROLES
from onboarding.protocol.step import ProtocolVersion, Send
from onboarding.services.fdo_front import limit_of
from onboarding.wire.message import MsgType
from ownership_vouchers.types import Guid
from tests.support.alterations import HEADS, NO_CBOR, overwritten
from tests.support.cases import Case, Wrong, just
from tests.support.certified_runs import RUNS, Run, registering, run_of
from tests.support.certifier import Certifier, certifier
from tests.support.databases import NewDatabase
from tests.support.profile_cases import CASES, cases_of
from tests.support.profiles import P256, PROFILES
from tests.support.supply_chain import SupplyChain

pytestmark = pytest.mark.sqlite_first

EVERY = [(name, case) for name, one in PROFILES.items() for case in cases_of(one)]
# What has nothing to do with keys is tried with those of other kinds in full runs.
WIDE = [
    pytest.param(name, marks=() if name == P256.name else pytest.mark.full)
    for name in PROFILES
]
REQUESTS = sorted(
    kind for role in ROLES[ProtocolVersion.FDO_1_1] for kind in role.messages
)


@pytest.fixture(scope="module")
def sites(
    tmp_path_factory: pytest.TempPathFactory,
    databases: NewDatabase,
    cheap_key_files: None,
) -> Iterator[Callable[[str], Certifier]]:
    """A site of each profile, opened when it is first asked for."""
    with ExitStack() as stack:

        @cache
        def site_of(name: str) -> Certifier:
            directory = tmp_path_factory.mktemp("site")
            return stack.enter_context(
                certifier(directory, databases, profile=PROFILES[name])
            )

        yield site_of


@pytest.fixture
def bench(
    request: pytest.FixtureRequest, sites: Callable[[str], Certifier]
) -> Certifier:
    """The site of the profile that a test is given; of P-256 if it says none."""
    return sites(getattr(request, "param", P256.name))


# Tried once. Source: FDO.md 2.10 in our reference.
PROOFS = {role.proof for role in ROLES[ProtocolVersion.FDO_1_1]}
SAID: dict[int, str] = {}  # a peer learns the code and nothing more, whatever it did


def refused(bench: Certifier, run: Run, case: Case) -> None:
    """Send the wrong message, then find everything as it was."""
    body, before = run.altered(case), bench.stored()
    answer = bench.post(case.message, body, run.talk.token)
    assert (answer.status, answer.code) == (500, case.code)
    assert answer.token is None
    error = answer.error
    assert error is not None
    assert error.previous == case.message
    assert SAID.setdefault(error.code, error.text) == error.text
    assert isinstance(error.timestamp, int)
    assert isinstance(error.correlation, int)
    assert bench.stored() == before
    if case.ends or (case.message in PROOFS and case.code != 100):
        over = bench.post(
            case.message, run.talk.until(case.message).body, run.talk.token
        )
        assert over.code == 101
        assert bench.stored() == before
    else:
        run.talk.finish()


@pytest.mark.both
@pytest.mark.parametrize("bench", PROFILES, indirect=True)
@pytest.mark.parametrize("name", RUNS)
def test_an_unaltered_run_passes(bench: Certifier, name: str) -> None:
    before = bench.stored()
    run = RUNS[name](bench)
    run.talk.finish()
    assert bench.stored() != before


@pytest.mark.parametrize(("bench", "name"), EVERY, indirect=["bench"])
def test_one_wrong_thing_is_refused_with_its_code(bench: Certifier, name: str) -> None:
    case = cases_of(bench.profile)[name]
    refused(bench, run_of(case.message)(bench), case)


@pytest.mark.parametrize("bench", WIDE, indirect=True)
@pytest.mark.parametrize("wrong", NO_CBOR)
@pytest.mark.parametrize("kind", REQUESTS)
def test_what_is_no_such_message_is_error_100(
    bench: Certifier, kind: MsgType, wrong: str
) -> None:
    run = run_of(kind)(bench)
    if run.talk.until(kind).body == b"\x80" and wrong == "an item too few":
        return  # none is what there must be
    refused(bench, run, Case(kind, Wrong.ENCODING, just(NO_CBOR[wrong]), 100))


@pytest.mark.parametrize("bench", WIDE, indirect=True)
@pytest.mark.parametrize("part", range(1, 8))
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_truncated_message_is_error_100(
    bench: Certifier, kind: MsgType, part: int
) -> None:
    cut = just(lambda data: data[: len(data) * part // 8])
    case = Case(kind, Wrong.ENCODING, cut, 100, envelope=bool(part % 2))
    refused(bench, run_of(kind)(bench), case)


@pytest.mark.parametrize("envelope", [False, True], ids=["message", "envelope"])
@pytest.mark.parametrize("head", HEADS, ids=bytes.hex)
@pytest.mark.parametrize("kind", REQUESTS)
def test_an_overwritten_message_is_error_100(
    bench: Certifier, kind: MsgType, head: bytes, envelope: bool
) -> None:
    wrong = just(overwritten(head))
    case = Case(kind, Wrong.ENCODING, wrong, 100, envelope=envelope)
    refused(bench, run_of(kind)(bench), case)


@pytest.mark.parametrize("kind", REQUESTS)
def test_an_oversized_message_is_error_100(bench: Certifier, kind: MsgType) -> None:
    def fill(data: bytes) -> bytes:
        return data + bytes(limit_of(kind) + 1 - len(data))

    case = Case(kind, Wrong.SIZE, just(fill), 100, envelope=True)
    refused(bench, run_of(kind)(bench), case)


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_message_of_many_items_is_error_100(bench: Certifier, kind: MsgType) -> None:
    """As large as the route lets in, and as many items as that can hold."""
    many = b"\x99\xff\xf0" + b"\x80" * 0xFFF0
    case = Case(kind, Wrong.SIZE, just(lambda _data: many), 100, envelope=True)
    refused(bench, run_of(kind)(bench), case)


def test_a_registration_does_not_give_way_to_another_device_of_its_guid(
    bench: Certifier,
) -> None:
    """Everything about the second voucher holds; it is not the one that is there."""
    first, second = SupplyChain(), SupplyChain()
    guid = Guid(secrets.token_bytes(16))
    for chain in (first, second):
        chain.make_device(guid=guid).sell_to("owner")
    registering(bench, first).finish()
    before = bench.stored()
    talk = registering(bench, second)
    move = talk.until(MsgType.TO0_OWNER_SIGN)
    assert bench.post(move.type, move.body, talk.token).code == 2
    assert bench.stored() == before


def test_every_request_has_every_wrong_thing_that_it_can_have() -> None:
    """Encoding, size and cutting are tried with every one, above."""
    tried = {(case.message, case.wrong) for case in CASES.values()}
    w, m = Wrong, MsgType
    wanted = {
        m.DI_APP_START: {w.SIGNATURE, w.SUITE, w.IDENTITY},
        m.DI_SET_HMAC: {w.HASH},
        m.TO0_HELLO: set(),
        m.TO0_OWNER_SIGN: {w.NONCE, w.HASH, w.SIGNATURE, w.SUITE, w.ADDRESS, w.VOUCHER},
        m.TO1_HELLO_RV: {w.IDENTITY, w.SUITE},
        m.TO1_PROVE_TO_RV: {w.SIGNATURE, w.NONCE, w.IDENTITY, w.SUITE},
        m.TO2_HELLO_DEVICE: {w.IDENTITY, w.SUITE, w.NONCE},
        m.TO2_GET_OV_NEXT_ENTRY: {w.INDEX},
        m.TO2_PROVE_DEVICE: {w.SIGNATURE, w.NONCE, w.IDENTITY, w.SUITE},
        m.TO2_DEVICE_SERVICE_INFO_READY: {w.HASH, w.SUITE},
        m.TO2_DEVICE_SERVICE_INFO: {w.ORDER, w.SUITE, w.SIZE},
        m.TO2_DONE: {w.NONCE, w.SUITE},
    }
    assert set(wanted) == set(REQUESTS)
    assert {(m, w) for m, found in wanted.items() for w in found} <= tried


@pytest.mark.both
def test_the_device_may_end_any_run(bench: Certifier) -> None:
    """255 is answered with nothing; what it ends has stored nothing."""
    for name, begin in RUNS.items():
        run = begin(bench)
        run.talk.send()
        while isinstance(run.talk.next, Send) and run.talk.next.type not in (66, 70):
            if run.talk.next.type in (12, 22, 32):
                break
            run.talk.send()
        before = bench.stored()
        answer = bench.post(255, b"\x85\x18\x64\x0a\x60\x00\x00", run.talk.token)
        assert (answer.status, answer.body) == (200, b""), name
        assert bench.stored() == before
