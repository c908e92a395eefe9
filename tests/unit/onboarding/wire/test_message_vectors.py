"""Every message vector gets the verdict it states."""

from pathlib import Path

import pytest

from onboarding.protocol.errors import error_code
from onboarding.wire.message import MsgType
from ownership_vouchers.errors import VoucherError
from tests.support.message_vectors import DECODERS, vectors

FOLDER = Path(__file__).parents[3] / "vectors" / "messages"
FILES = sorted(FOLDER.glob("*.txt"))


def read(path: Path) -> tuple[dict[str, str], bytes]:
    head, _, body = path.read_text().partition("\n\n")
    facts = dict(line.split(": ", 1) for line in head.splitlines())
    return facts, bytes.fromhex(body)


@pytest.mark.parametrize("path", FILES, ids=lambda one: one.stem)
def test_the_verdict_is_the_one_stated(path: Path) -> None:
    facts, data = read(path)
    decode = DECODERS[MsgType(int(facts["message"]))]
    if facts["expect"] == "accepted":
        message = decode(data)
        assert message.encode() == data  # type: ignore[attr-defined]
        return
    with pytest.raises(VoucherError) as refused:
        decode(data)
    assert int(error_code(refused.value)) == int(facts["expect"])


def test_every_message_has_one_good_vector_and_three_bad_ones() -> None:
    found = [read(path)[0] for path in FILES]
    for kind in set(MsgType):
        of_kind = [one for one in found if int(one["message"]) == kind]
        good = [one for one in of_kind if one["expect"] == "accepted"]
        assert (len(good), len(of_kind)) == (1, 4), kind
    assert all(one["source"] for one in found)


def test_the_files_are_what_their_generator_writes() -> None:
    assert {path.name: path.read_text() for path in FILES} == vectors()
