"""Vectors for every message: one that is taken and three that are not.

``python -m tests.support.message_vectors tests/vectors/messages`` writes them.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import wrap

from onboarding.wire import di, to0, to1, to2, to2_secure
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from onboarding.wire.serviceinfo import DeviceServiceInfo, OwnerServiceInfo
from ownership_vouchers import cbor
from tests.support.alterations import Alteration, append, change, drop, put
from tests.support.transcripts import FSIMS, Transcript

M = MsgType
GOOD = "good"
DECODERS: Mapping[MsgType, Callable[[bytes], object]] = {
    M.DI_APP_START: di.AppStart.from_cbor,
    M.DI_SET_CREDENTIALS: di.SetCredentials.from_cbor,
    M.DI_SET_HMAC: di.SetHmac.from_cbor,
    M.DI_DONE: di.Done.from_cbor,
    M.TO0_HELLO: to0.Hello.from_cbor,
    M.TO0_HELLO_ACK: to0.HelloAck.from_cbor,
    M.TO0_OWNER_SIGN: to0.OwnerSign.from_cbor,
    M.TO0_ACCEPT_OWNER: to0.AcceptOwner.from_cbor,
    M.TO1_HELLO_RV: to1.HelloRv.from_cbor,
    M.TO1_HELLO_RV_ACK: to1.HelloRvAck.from_cbor,
    M.TO1_PROVE_TO_RV: to1.ProveToRv.from_cbor,
    M.TO1_RV_REDIRECT: to1.RvRedirect.from_cbor,
    M.TO2_HELLO_DEVICE: to2.HelloDevice.from_cbor,
    M.TO2_PROVE_OV_HDR: to2.ProveOvHdr.from_cbor,
    M.TO2_GET_OV_NEXT_ENTRY: to2.GetOvNextEntry.from_cbor,
    M.TO2_OV_NEXT_ENTRY: to2.OvNextEntry.from_cbor,
    M.TO2_PROVE_DEVICE: to2.ProveDevice.from_cbor,
    M.TO2_SETUP_DEVICE: to2_secure.SetupDevice.from_cbor,
    M.TO2_DEVICE_SERVICE_INFO_READY: to2_secure.DeviceServiceInfoReady.from_cbor,
    M.TO2_OWNER_SERVICE_INFO_READY: to2_secure.OwnerServiceInfoReady.from_cbor,
    M.TO2_DEVICE_SERVICE_INFO: DeviceServiceInfo.from_cbor,
    M.TO2_OWNER_SERVICE_INFO: OwnerServiceInfo.from_cbor,
    M.TO2_DONE: to2_secure.Done.from_cbor,
    M.TO2_DONE2: to2_secure.Done2.from_cbor,
    M.ERROR: ErrorMessage.from_cbor,
}


def _in_payload(alteration: Alteration) -> Alteration:
    """Change what a COSE_Sign1 carries; the decoder does not look at signatures."""
    return change(alteration, 2)


def _untagged_to1d(data: bytes) -> bytes:
    to0d, to1d = cbor.split(data)
    return cbor.join((to0d, to1d[1:]))


SHORT_NONCE = {"nonce of 15 bytes": put(bytes(15), 0)}
EMPTY: Mapping[str, Alteration] = {
    "one item in it": append,
    "a map": lambda _data: b"\xa0",
    "null": lambda _data: b"\xf6",
}
BAD: Mapping[MsgType, Mapping[str, Alteration]] = {
    M.DI_APP_START: {
        "MfgInfo as a number": put(7, 0),
        "MfgInfo without a key type": change(put("10", 0), 0),
        "serial number as bytes": change(put(b"SN", 2), 0),
    },
    M.DI_SET_CREDENTIALS: {
        "header not wrapped": change(cbor.decode, 0),
        "header as text": put("header", 0),
        "two headers": append,
    },
    M.DI_SET_HMAC: {
        "hash in place of an HMAC": put(-16, 0, 0),
        "HMAC of 31 bytes": put(bytes(31), 0, 1),
        "HMAC of unknown type": put(7, 0, 0),
    },
    M.DI_DONE: EMPTY,
    M.TO0_HELLO: EMPTY,
    M.TO0_HELLO_ACK: {
        **SHORT_NONCE,
        "nonce as text": put("n" * 16, 0),
        "two nonces": append,
    },
    M.TO0_OWNER_SIGN: {
        "to1d without a tag": _untagged_to1d,
        "to1d with an open header": put({1: 2}, 1, 1),
        "no to1d": drop,
    },
    M.TO0_ACCEPT_OWNER: {
        "seconds negative": put(-1, 0),
        "seconds of 33 bits": put(1 << 32, 0),
        "seconds as a float": put(60.0, 0),
    },
    M.TO1_HELLO_RV: {
        "GUID of 15 bytes": put(bytes(15), 0),
        "signature info null": put(None, 1, 1),
        "signature info of one item": put([-7], 1),
    },
    M.TO1_HELLO_RV_ACK: {
        **SHORT_NONCE,
        "signature type as text": put("ES256", 1, 0),
        "no signature info": drop,
    },
    M.TO1_PROVE_TO_RV: {
        "token with an empty nonce": _in_payload(put(b"", 10)),
        "UEID of 16 bytes": _in_payload(put(bytes(16), 256)),
        "UEID not random": _in_payload(put(b"\x02" + bytes(16), 256)),
    },
    M.TO1_RV_REDIRECT: {
        "no tag": lambda data: data[1:],
        "another tag": lambda data: b"\xd1" + data[1:],
        "no signature": drop,
    },
    M.TO2_HELLO_DEVICE: {
        "message size of 17 bits": put(1 << 16, 0),
        "cipher suite as text": put("A128GCM", 4),
        "key exchange over 32 characters": put("E" * 33, 3),
    },
    M.TO2_PROVE_OV_HDR: {
        "no nonce": put({257: [10, 1, b""]}, 1),
        "256 entries": _in_payload(put(256, 1)),
        "owner key not a key": put([10, 1, b""], 1, 257),
    },
    M.TO2_GET_OV_NEXT_ENTRY: {
        "entry -1": put(-1, 0),
        "entry 256": put(256, 0),
        "entry true": put(True, 0),
    },
    M.TO2_OV_NEXT_ENTRY: {
        "number of 9 bits": put(256, 0),
        "no entry": drop,
        "number as bytes": put(b"\0", 0),
    },
    M.TO2_PROVE_DEVICE: {
        "no nonce": put({}, 1),
        "key exchange as text": _in_payload(put(["x"], -257)),
        "two key exchanges": _in_payload(put([b"", b""], -257)),
    },
    M.TO2_SETUP_DEVICE: {
        "an open header": put({1: 2}, 1),
        "no owner key": _in_payload(drop),
        "rendezvous info as text": _in_payload(put("rv", 0)),
    },
    M.TO2_DEVICE_SERVICE_INFO_READY: {
        "hash in place of an HMAC": put(-16, 0, 0),
        "size of 17 bits": put(1 << 16, 1),
        "size left out": drop,
    },
    M.TO2_OWNER_SERVICE_INFO_READY: {
        "size negative": put(-1, 0),
        "size of 17 bits": put(1 << 16, 0),
        "size true": put(True, 0),
    },
    M.TO2_DEVICE_SERVICE_INFO: {
        "more as a number": put(1, 0),
        "key without a colon": put("devmod", 1, 0, 0),
        "value not wrapped": put(True, 1, 0, 1),
    },
    M.TO2_OWNER_SERVICE_INFO: {
        "done as a number": put(0, 1),
        "257 pairs": put([["m:k", b"\0"]] * 257, 2),
        "pair of three": put([["m:k", b"\0", b"\0"]], 2),
    },
    M.TO2_DONE: {**SHORT_NONCE, "nonce null": put(None, 0), "nonce left out": drop},
    M.TO2_DONE2: {**SHORT_NONCE, "nonce null": put(None, 0), "nonce left out": drop},
    M.ERROR: {
        "code of 17 bits": put(1 << 16, 0),
        "text as bytes": put(b"text", 2),
        "four items": drop,
    },
}


def good(kind: MsgType) -> tuple[bytes, str]:
    """Return a message of that type and where it comes from."""
    if kind is M.ERROR:
        error = ErrorMessage(6, 30, "nothing is known of this GUID", 1_800_000_000, 7)
        return error.encode(), "written after FDO 1.1, section 5.1.1"
    recorded = Transcript(FSIMS).one(kind)
    return recorded.plain, f"recorded from go-fdo 3c6ea7f, transcript {FSIMS}"


def vectors() -> dict[str, str]:
    """Return all files by name; their content is the same every time."""
    files = {}
    for kind in DECODERS:
        data, source = good(kind)
        files[_name(kind, GOOD)] = _text("accepted", kind, GOOD, source, data)
        for case, alteration in BAD[kind].items():
            origin = f"{source}; one change by tests/support/message_vectors.py"
            changed = alteration(data)
            files[_name(kind, case)] = _text("100", kind, case, origin, changed)
    return files


def _name(kind: MsgType, case: str) -> str:
    return f"{int(kind):03}-{case.replace(' ', '-').lower()}.txt"


def _text(expect: str, kind: MsgType, case: str, source: str, data: bytes) -> str:
    lines = [
        f"expect: {expect}",
        f"message: {int(kind)}",
        f"case: {case}",
        f"source: {source}",
        "",
        *wrap(data.hex(), 80),
    ]
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    """Write every vector into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in vectors().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
