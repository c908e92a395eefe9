"""Facts of devices that have not onboarded, and what is to be said of each."""

from dataclasses import replace
from typing import Any

from onboarding.protocol.binding_module import NAME as BINDING
from onboarding.services.diagnosis.facts import Facts, To0Facts, VoucherFacts
from onboarding.services.diagnosis.words import Why
from onboarding.services.settings import Role
from onboarding.services.to0_attempts import Attempt
from onboarding.store.devices import DeviceRecord
from onboarding.store.made import MadeDevice
from onboarding.store.state import DeviceFacts
from onboarding.store.traces import Sighting, Trace

NOW = 1_800_000_000
GUID = bytes(range(16))
KEY = "ab" * 32
RV = "http://rv.example.test:8082"
VOUCHER = VoucherFacts(KEY, key_here=True, entries=2, servers=(RV,))
LIVE = To0Facts(True, (Attempt(RV, NOW - 9, 0, "", 600, NOW + 591, NOW + 400),))
SIGHTING = Sighting(GUID, 60, 14, NOW - 9000, NOW - 7)


BOUND = {"bound_at": NOW - 50, "enrolled_at": NOW - 50, "appraised_at": NOW - 40}


def device(**facts: int) -> DeviceRecord:
    values: dict[str, Any] = dict.fromkeys(DeviceFacts.__dataclass_fields__)
    times = DeviceFacts(**{**values, "appraisal_passed": False, **facts})
    fields: dict[str, Any] = dict.fromkeys(DeviceRecord.__dataclass_fields__)
    known = {"guid": GUID, "serial": "SN-1", "labels": {}, "facts": times}
    return DeviceRecord(**{**fields, **known})


def run(protocol: str = "TO2", **changed: Any) -> Trace:
    whole = Trace(
        run=b"run",
        version=101,
        protocol=protocol,
        guid=GUID,
        serial="",
        started=NOW - 310,
        updated=NOW - 300,
        messages=3,
        passed=64,
        refused=None,
        code=None,
        error="",
        by_peer=False,
        proven=True,
        done=False,
        steps="",
    )
    return replace(whole, **changed)


READY = Facts(NOW, Role.OWNER, (GUID,), "SN-1", device(), VOUCHER, LIVE)
"""A device that is registered and has not come yet."""


def at(**changed: Any) -> Facts:
    return replace(READY, **changed)


def stopped(refused: int, code: int, error: str, **changed: Any) -> Facts:
    return at(runs=(run(refused=refused, code=code, error=error, **changed),))


FAILED = To0Facts(
    True, (Attempt(RV, NOW - 60, 5, "error 2 to message 22", 0, 0, NOW + 60),)
)
SPARED = Attempt("http://rv2.example.test", error="it is left alone.", due=NOW + 60)
OTHER = bytes(range(16, 32))
MADE = MadeDevice(GUID, "SN-1", "line", "station", b"key", NOW, NOW, None, None, None)
FACTORY, RENDEZVOUS = Role.MANUFACTURING, Role.RENDEZVOUS
CASES: dict[str, tuple[Facts, Why, str]] = {
    "never heard of": (
        Facts(NOW, Role.OWNER, (GUID,)),
        Why.UNKNOWN,
        "Nothing is known of 00010203-0405-0607-0809-0a0b0c0d0e0f",
    ),
    "no such serial": (
        Facts(NOW, Role.ALL, (), "SN-1"),
        Why.UNKNOWN,
        "serial 'SN-1'",
    ),
    "asked for TO2 without a voucher": (
        Facts(NOW, Role.OWNER, (GUID,), sighting=SIGHTING),
        Why.ASKED_IN_VAIN,
        "asked 14 times (message 60, last 7 s ago)",
    ),
    "asked for TO2 without a voucher, once": (
        Facts(NOW, Role.OWNER, (GUID,), sighting=replace(SIGHTING, count=1)),
        Why.ASKED_IN_VAIN,
        "asked once (message 60, last 7 s ago)",
    ),
    "asked for TO1 without a registration": (
        Facts(NOW, RENDEZVOUS, (GUID,), sighting=replace(SIGHTING, message=30)),
        Why.ASKED_IN_VAIN,
        "Have its owner register it here (TO0)",
    ),
    "asked before the voucher came": (at(sighting=SIGHTING), Why.NOT_SEEN, RV),
    "voucher of another key": (
        at(voucher=replace(VOUCHER, key_here=False)),
        Why.NOT_OUR_VOUCHER,
        KEY,
    ),
    "voucher of a key that was blocked": (
        replace(
            stopped(60, 6, "no voucher", passed=None),
            voucher=replace(VOUCHER, key_here=False, blocked="revoked: stolen in May."),
        ),
        Why.KEY_BLOCKED,
        "is revoked: stolen in May. So nothing is signed",
    ),
    "voucher without an entry": (
        at(voucher=replace(VOUCHER, entries=0)),
        Why.NOT_OUR_VOUCHER,
        "never extended",
    ),
    "voucher without a rendezvous server": (
        at(voucher=replace(VOUCHER, servers=()), to0=To0Facts()),
        Why.NO_RENDEZVOUS,
        "names no rendezvous server",
    ),
    "refused by every rendezvous server": (
        at(to0=FAILED),
        Why.NOT_REGISTERED,
        "failed 5 times, last 60 s ago: error 2 to message 22.",
    ),
    "one server refuses, one is not tried": (
        at(to0=To0Facts(True, (*FAILED.servers, SPARED))),
        Why.NOT_REGISTERED,
        f"message 22; {SPARED.server} was not tried for it: it is left alone.",
    ),
    "made anew under another GUID": (
        Facts(NOW, FACTORY, (GUID,), made=replace(MADE, superseded_by=OTHER)),
        Why.MADE_ANEW,
        "10111213-1415-1617-1819-1a1b1c1d1e1f",
    ),
    "made with a serial number that others have": (
        Facts(NOW, FACTORY, (GUID,), made=MADE, same_serial=(OTHER,)),
        Why.SAME_SERIAL,
        "SN-1 also stands for 10111213-1415-1617-1819-1a1b1c1d1e1f",
    ),
    "denied at rendezvous": (
        Facts(NOW, RENDEZVOUS, (GUID,), registered_until=NOW + 5, denied="his key"),
        Why.DENIED,
        "his key is denied",
    ),
    "about to be registered": (at(to0=To0Facts(True)), Why.REGISTERING, RV),
    "about to be, but work fails": (
        at(to0=To0Facts(True, (), "StoreUnavailable")),
        Why.REGISTERING,
        "or it fails: StoreUnavailable",
    ),
    "not to be registered": (at(to0=To0Facts()), Why.NOT_REGISTERED, "/api/v1/to0/"),
    "registered, not seen": (READY, Why.NOT_SEEN, "only that server knows"),
    "registered here, not seen": (
        at(role=Role.ALL),
        Why.NOT_SEEN,
        "has not asked there",
    ),
    "one of two servers is enough": (
        at(to0=To0Facts(True, (*LIVE.servers, *FAILED.servers))),
        Why.NOT_SEEN,
        RV,
    ),
    "redirected, and not come": (
        at(role=Role.ALL, runs=(run("TO1", passed=32, done=True),)),
        Why.REDIRECTED,
        "TO2 address",
    ),
    "hello at rendezvous, no more": (
        at(role=Role.ALL, runs=(run("TO1", passed=30),)),
        Why.NOT_REDIRECTED,
        "no more",
    ),
    "refused at rendezvous": (
        at(runs=(run("TO1", refused=32, code=101, error="signature"),)),
        Why.NOT_REDIRECTED,
        "TO1 stopped at message 32 (TO1.ProveToRv) with error 101",
    ),
    "owner refused at rendezvous": (
        Facts(
            NOW,
            RENDEZVOUS,
            (GUID,),
            runs=(run("TO0", passed=20, refused=22, code=2, error="not trusted"),),
        ),
        Why.NOT_REGISTERED,
        "Trust the voucher's manufacturer",
    ),
    "rendezvous refused by owner": (
        Facts(
            NOW,
            RENDEZVOUS,
            (GUID,),
            runs=(run("TO0", passed=20, refused=21, code=100, by_peer=True),),
        ),
        Why.NOT_REGISTERED,
        "TO0 stopped at message 21 (TO0.HelloAck) with error 100, 5 min ago; the owner"
        " says: nothing more.",
    ),
    "registered at rendezvous": (
        Facts(NOW, RENDEZVOUS, (GUID,), registered_until=NOW + 5),
        Why.NOT_SEEN,
        "this rendezvous server",
    ),
    "registered at rendezvous until just now": (
        Facts(NOW, RENDEZVOUS, (GUID,), registered_until=NOW),
        Why.UNKNOWN,
        "Nothing is known",
    ),
    "in TO2 now": (
        at(runs=(run(updated=NOW - 3),)),
        Why.UNDER_WAY,
        "message 64 was taken 3 s ago",
    ),
    "silent before it proved itself": (
        at(runs=(run(passed=60, proven=False),)),
        Why.WENT_SILENT,
        "does not accept this owner's answer",
    ),
    "silent in the tunnel": (
        at(runs=(run(passed=68), run(passed=68))),
        Why.WENT_SILENT,
        "5 min ago, 2 tries in a row",
    ),
    "wrong device key": (
        stopped(64, 101, "the signature does not verify"),
        Why.REFUSED_HERE,
        "if it was initialised again, import the newer voucher",
    ),
    "no suite in common": (
        stopped(60, 101, "key exchange 'DHKEXid14'", passed=None, messages=7),
        Why.REFUSED_HERE,
        "7 tries in a row",
    ),
    "required module failed": (
        stopped(68, 101, "fdo.download: no room"),
        Why.REFUSED_HERE,
        "fdo.download: no room. Mend what the module names",
    ),
    "does not decrypt": (stopped(66, 100, "no"), Why.REFUSED_HERE, "read each other"),
    "device ended it": (
        stopped(65, 101, "owner key unknown", by_peer=True),
        Why.REFUSED_BY_DEVICE,
        "the device says: owner key unknown. The device ended it",
    ),
    "device refuses reuse": (
        stopped(65, 102, "", by_peer=True),
        Why.REFUSED_BY_DEVICE,
        "does not allow its credential to be reused",
    ),
    "our own fault": (stopped(64, 500, "x"), Why.REFUSED_HERE, "its log has it"),
    "onboarded": (
        at(device=device(owned_at=NOW - 7200), to0=To0Facts()),
        Why.ONBOARDED,
        "2 h ago; there is nothing to do",
    ),
    "onboarded, and failed an appraisal": (
        at(device=device(owned_at=NOW - 60, **BOUND), to0=To0Facts()),
        Why.ONBOARDED,
        "but its last appraisal failed: `vouchgate fleet appraisals",
    ),
    "onboarded, and stale": (
        at(
            device=device(
                owned_at=NOW - 60, **BOUND, appraisal_passed=True, lease_expires=NOW - 1
            ),
            to0=To0Facts(),
        ),
        Why.ONBOARDED,
        "has not been appraised for as long as its lease runs",
    ),
    "onboarded after it failed": (
        at(
            device=device(owned_at=NOW - 60),
            to0=To0Facts(),
            runs=(run(refused=64, code=101),),
        ),
        Why.ONBOARDED,
        "nothing to do",
    ),
    "failed after it was onboarded": (
        at(device=device(owned_at=NOW - 900), runs=(run(refused=64, code=101),)),
        Why.REFUSED_HERE,
        "message 64",
    ),
    "onboarded, a module failed": (
        at(
            device=device(owned_at=NOW - 60),
            to0=To0Facts(),
            failed_modules=(("fdo.wget", "404"),),
        ),
        Why.MODULE_FAILED,
        "fdo.wget failed: 404.",
    ),
    "onboarded without a TPM": (
        at(
            device=device(owned_at=NOW - 60),
            to0=To0Facts(),
            failed_modules=((BINDING, "the device does not have it"),),
        ),
        Why.ONBOARDED,
        "not bound to a TPM: the device does not have it.",
    ),
    "owned, and to be onboarded anew": (
        at(device=device(owned_at=NOW - 60)),
        Why.NOT_SEEN,
        RV,
    ),
    "retired": (
        at(device=device(owned_at=1, retired_at=NOW - 3 * 86400)),
        Why.RETIRED,
        "retired 3 days ago",
    ),
    "made and not sold": (
        at(role=FACTORY, voucher=replace(VOUCHER, entries=0), to0=To0Facts()),
        Why.MADE,
        "extend it to the buyer's key",
    ),
    "made and sold": (
        at(role=FACTORY, to0=To0Facts()),
        Why.MADE,
        "new owner has to be asked",
    ),
    "DI refused": (
        Facts(
            NOW,
            FACTORY,
            (),
            "SN-1",
            runs=(run("DI", passed=None, refused=10, code=500, error="no key"),),
        ),
        Why.NEVER_MADE,
        "the factory's own settings",
    ),
    "DI not finished": (
        Facts(NOW, FACTORY, (), "SN-1", runs=(run("DI", passed=10),)),
        Why.NEVER_MADE,
        "begin again",
    ),
}
