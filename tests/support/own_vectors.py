"""Our own vectors: a run of every protocol, and every wrong message there is.

``python -m tests.support.own_vectors tests/vectors/own`` writes them.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onboarding.protocol.errors import ProtocolError, error_code
from ownership_vouchers.errors import VoucherError
from tests.support import answer_cases, request_cases, to2_request_cases
from tests.support.alterations import NO_CBOR
from tests.support.cases import Case, Wrong, just
from tests.support.fixed_roles import (
    BASE,
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
from tests.support.wire_pair import Passed, WirePair

ABOUT = (
    "Written by tests/support/own_vectors.py of Vouchgate after FDO 1.1, sections 5.2"
    " to 5.5: both roles are Vouchgate's, with the keys of tests/vectors/fdo, and"
    " deterministic signatures and draws. TEST KEYS."
)
CASES: Mapping[str, Mapping[str, Case]] = {
    "DI": {**request_cases.DI, **answer_cases.DI},
    "TO0": {**request_cases.TO0, **answer_cases.TO0},
    "TO1": {**request_cases.TO1, **answer_cases.TO1},
    "TO2": {**to2_request_cases.TO2, **answer_cases.TO2},
}


def vectors(protocol: str) -> dict[str, Any]:
    """Return what is written for one protocol; the same each time."""
    pair = RUNS[protocol]()
    pair.run()
    cases = {**CASES[protocol], **_unreadable(pair)}
    found: dict[str, Any] = {
        "about": ABOUT,
        "keys": {
            "manufacturer": MAKER,
            "dealer": DEALER,
            "owner": OWNER,
            "device": DEVICE,
            "stranger": STRANGER.to_bytes(32, "big").hex(),
        },
        "hmac_secret": chain().hmac_secret.hex(),
        "voucher": chain().voucher.raw.hex(),
        "voucher_made_from": BASE,
    }
    if pair.tunnel is not None:
        found["session_key"] = pair.tunnel.key.hex()
    found["run"] = [_message(one) for one in pair.passed]
    found["cases"] = [_case(protocol, name, case) for name, case in cases.items()]
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


def _case(protocol: str, name: str, case: Case) -> dict[str, Any]:
    """Run with the one change; write down what came over the wire, and its end."""
    pair = RUNS[protocol]()
    changes = {case.message: case.change(cast())}
    pair.alter, pair.alter_wire = ({}, changes) if case.envelope else (changes, {})
    code = _code(pair)
    after = [one.type for one in pair.passed].index(case.message)
    changed = pair.passed[after]
    where = " after it was sealed" if case.envelope else ""
    return {
        "name": name,
        "origin": f"message {after} of the run with one change{where}: {name}",
        "wrong": case.wrong.value,
        **_message(changed),
        "after": after,
        "shows_in": int(pair.passed[-1].type),
        "verdict": code,
    }


def _code(pair: WirePair[Any]) -> int:
    try:
        pair.run()
    except (ProtocolError, VoucherError) as error:
        return int(error_code(error))
    raise AssertionError("a wrong message was taken")


def files() -> dict[str, str]:
    """Return every file by name."""
    found = {protocol.lower(): vectors(protocol) for protocol in RUNS}
    found["suites"] = suites()
    return {
        f"{name}.json": json.dumps(one, indent=1) + "\n" for name, one in found.items()
    }


def main(folder: Path) -> None:
    """Write every file into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
