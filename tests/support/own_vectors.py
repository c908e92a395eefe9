"""Our own vectors: a run of every protocol, and every wrong message there is.

Once with keys of each kind. ``python -m tests.support.own_vectors tests/vectors/own``
writes them.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onboarding.protocol.errors import ProtocolError, error_code
from ownership_vouchers.errors import VoucherError
from tests.support.alterations import NO_CBOR
from tests.support.answer_profiles import answers_of
from tests.support.byte_patch import patch
from tests.support.cases import Case, Wrong, just
from tests.support.fixed_keys import KINDS
from tests.support.fixed_roles import (
    DEALER,
    DEVICE,
    MAKER,
    OWNER,
    RUNS,
    STRANGER,
    cast,
    chain,
)
from tests.support.own_suites import suites
from tests.support.profile_cases import cases_of
from tests.support.wire_pair import Passed, WirePair

ABOUT = (
    "Written by tests/support/own_vectors.py of Vouchgate after FDO 1.1, sections 5.2"
    " to 5.5: both roles are Vouchgate's, with the keys of tests/vectors/fdo, and"
    " deterministic signatures and draws. TEST KEYS."
)
_PROTOCOLS = {1: "DI", 2: "TO0", 3: "TO1", 6: "TO2", 7: "TO2"}


def cases(kind: str, protocol: str) -> Mapping[str, Case]:
    """Return the tables' cases of one protocol, with keys of that kind."""
    profile = KINDS[kind].profile
    found = {**cases_of(profile), **answers_of(profile.kex)}
    return {
        name: case
        for name, case in found.items()
        if _PROTOCOLS[int(case.message) // 10] == protocol
    }


def vectors(kind: str) -> dict[str, Any]:
    """Return what is written for keys of one kind; the same each time."""
    fixed, made = KINDS[kind], chain(kind)
    parties = {
        "manufacturer": MAKER,
        "dealer": DEALER,
        "owner": OWNER,
        "device": DEVICE,
        "stranger": STRANGER,
    }
    return {
        "about": ABOUT,
        "keys": {who: fixed.key(whose) for who, whose in parties.items()},
        "key_exchange": fixed.profile.kex.value,
        "cipher": int(fixed.profile.cipher),
        "hmac_secret": made.hmac_secret.hex(),
        "voucher": made.voucher.raw.hex(),
        "voucher_made_from": fixed.base,
        "protocols": {name: _protocol(kind, name) for name in RUNS},
    }


def _protocol(kind: str, protocol: str) -> dict[str, Any]:
    pair = RUNS[protocol](kind)
    pair.run()
    found: dict[str, Any] = {}
    if pair.tunnel is not None:
        found["session_key"] = pair.tunnel.key.hex()
    found["run"] = [_message(one) for one in pair.passed]
    every = {**cases(kind, protocol), **_unreadable(pair)}
    right = pair.passed
    found["cases"] = [
        _case(kind, protocol, name, case, right) for name, case in every.items()
    ]
    return found


def _unreadable(pair: WirePair[Any]) -> dict[str, Case]:
    """What is no such message, for each message of the run."""
    found = {}
    for kind, plain in {one.type: one.plain for one in pair.passed}.items():
        for wrong, alter in NO_CBOR.items():
            if alter(plain) != plain:
                case = Case(kind, Wrong.ENCODING, just(alter), 100)
                found[f"{int(kind)} {wrong}"] = case
    return found


def _message(one: Passed) -> dict[str, Any]:
    sealed = {"plain": one.plain.hex()} if one.plain != one.body else {}
    return {"type": int(one.type), "wire": one.body.hex(), **sealed, "verdict": "ok"}


def _case(
    kind: str, protocol: str, name: str, case: Case, right: list[Passed]
) -> dict[str, Any]:
    """Run with the one change; write down what changed on the wire, and its end."""
    pair = RUNS[protocol](kind)
    changes = {case.message: case.change(cast(kind))}
    pair.alter, pair.alter_wire = ({}, changes) if case.envelope else (changes, {})
    code = _code(pair)
    after = [one.type for one in pair.passed].index(case.message)
    return {
        "name": name,
        "wrong": case.wrong.value,
        "type": int(case.message),
        "after": after,
        "sealed_first": case.envelope,
        "patch": patch(right[after].body, pair.passed[after].body),
        "shows_in": int(pair.passed[-1].type),
        "verdict": code,
    }


def _code(pair: WirePair[Any]) -> int:
    try:
        pair.run()
    except (ProtocolError, VoucherError) as error:
        return int(error_code(error))
    raise AssertionError("a wrong message was taken")


def _text(value: object, depth: int = 0) -> str:
    """JSON with a line for each message and each case."""
    if not isinstance(value, dict | list) or depth > 3:
        return json.dumps(value)
    if isinstance(value, list):
        lines = [_text(one, depth + 1) for one in value]
        return "[\n" + ",\n".join(lines) + "\n]"
    lines = [
        f"{json.dumps(name)}: {_text(one, depth + 1)}" for name, one in value.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}"


def file_of(kind: str) -> str:
    """Return the name of the file for keys of that kind."""
    return f"{kind.lower()}.json"


def text_of(kind: str) -> str:
    """Return the content of that file."""
    return _text(vectors(kind)) + "\n"


def files() -> dict[str, str]:
    """Return every file by name, but for the keys, which are given."""
    found = {file_of(kind): text_of(kind) for kind in KINDS}
    return {**found, "suites.json": json.dumps(suites(), indent=1) + "\n"}


def main(folder: Path) -> None:
    """Write every file into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
