"""Whatever comes, attestation answers or refuses in its own words; and fails closed."""

import copy
from dataclasses import fields, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from attestation.appraisal import Appraisal, Verdict
from attestation.binding import (
    Binding,
    BindingChallenge,
    BindingClass,
    BindingEvidence,
    BindingRequest,
    PendingBinding,
    check_evidence,
)
from attestation.device_auth import claimed_request
from attestation.documents import ContentType, sign_payload
from attestation.ek_trust import EkEvidence, judge
from attestation.ek_verdict import EkClass
from attestation.errors import AttestationError
from attestation.facts import Facts, Ownership
from attestation.manifest import Manifest
from attestation.policy import AttestationPolicy, ReleasePolicy
from attestation.quote_rules import Counters, check_advance
from attestation.release import Allow, DecisionRecord, Deny, decide, replay
from ownership_vouchers import cbor
from ownership_vouchers.keys import load_certificate
from tests.support.documents import KEY, KINDS, SIGNER
from tests.support.ek_authority import NOW as EK_NOW
from tests.support.ek_authority import TpmVendor
from tests.support.release import FACTS, GUID, NOW, POLICY, appraised

ITEMS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.binary(max_size=40)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=7)
        | st.dictionaries(st.integers(0, 7) | st.text(max_size=3), inner, max_size=7)
    ),
    max_leaves=20,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
WIRE = st.binary(max_size=300) | ITEMS.map(cbor.encode)
VENDOR = TpmVendor()
EK = ec.generate_private_key(ec.SECP256R1()).public_key()
CERTIFICATE = VENDOR.issuer.issue_ek(EK)
DECODERS = [
    BindingRequest.from_cbor,
    BindingEvidence.from_cbor,
    BindingChallenge.from_cbor,
    PendingBinding.from_cbor,
    Binding.from_cbor,
    Manifest.from_payload,
    claimed_request,
]


@pytest.mark.parametrize("decode", DECODERS)
@given(data=WIRE)
def test_no_bytes_escape_the_error_hierarchy(decode: Any, data: bytes) -> None:
    try:
        decode(data)
    except AttestationError:
        pass


@pytest.mark.parametrize("kind", ContentType)
@given(data=WIRE)
def test_no_document_escapes_it_signed_or_not(kind: ContentType, data: bytes) -> None:
    for document in (data, sign_payload(kind, data, SIGNER)):
        try:
            KINDS[kind].open(document, KEY)
        except AttestationError:
            pass


@pytest.mark.parametrize(
    "decode",
    [
        AttestationPolicy.from_json,
        ReleasePolicy.from_json,
        Appraisal.from_json,
        Facts.from_json,
        DecisionRecord.from_json,
    ],
)
@given(document=JSON, place=st.integers(0, 20))
def test_no_json_escapes_it(decode: Any, document: Any, place: int) -> None:
    goods = (POLICY, ReleasePolicy(), FACTS.appraisal, FACTS)
    record = DecisionRecord.make(FACTS, ReleasePolicy(), NOW)
    for good in (*goods, record):
        assert good is not None
        changed = good.to_json()
        changed[sorted(changed)[place % len(changed)]] = document
        for one in (document, changed):
            try:
                decode(one)
            except AttestationError:
                pass


@given(
    public=st.binary(max_size=200),
    statement=st.binary(max_size=200),
    certificate=st.none() | st.binary(max_size=200),
)
def test_no_tpm_structure_escapes_it(
    public: bytes, statement: bytes, certificate: bytes | None
) -> None:
    evidence = BindingEvidence(
        public, certificate, public, public, statement, statement
    )
    with pytest.raises(AttestationError):
        check_evidence(
            evidence,
            guid=GUID,
            nonce=bytes(32),
            device_key=EK,
            passport=None,
            trust=VENDOR.trust,
            now=EK_NOW,
        )


# The count of unused bits before the signature: it says nothing and is not signed, and
# the parser takes 1 for 0 if the last bit happens to be clear.
UNUSED_BITS = CERTIFICATE.index(load_certificate(CERTIFICATE).signature) - 1


@given(
    place=st.integers(0, len(CERTIFICATE) - 1).filter(UNUSED_BITS.__ne__),
    change=st.integers(1, 255),
    # Bytes behind a whole certificate are noted as odd, and change nothing in it.
    cut=st.integers(0, len(CERTIFICATE) - 1),
)
def test_no_altered_certificate_is_the_vendors(
    place: int, change: int, cut: int
) -> None:
    altered = bytearray(CERTIFICATE)
    altered[place] ^= change
    for certificate in (bytes(altered), CERTIFICATE[:cut] + b"\0"):
        verdict = judge(EkEvidence(EK, certificate), VENDOR.trust, None, EK_NOW)
        assert verdict.klass is EkClass.REFUSED


NAMES = [one.name for one in fields(Facts) if one.name != "guid"]
OPTIONAL = st.sampled_from(NAMES)
# All but the update window: a device is in none as a rule, and that is known. And but
# the factory identity, which few policies ask for.
NEEDED = st.sampled_from(sorted(set(NAMES) - {"update", "factory_identity"}))


def appraisal_of(verdict: Verdict, at: int) -> Appraisal | None:
    nothing = {"compared": ()} if verdict is Verdict.NOT_CHECKED else {}
    return appraised(verdict=verdict, at=at, **nothing).appraisal


def without(facts: Facts, name: str) -> Facts:
    """The facts with one of them not known."""
    return replace(facts, **{name: None})  # type: ignore[arg-type]


ANY_FACTS = st.builds(
    Facts,
    guid=st.just(GUID),
    ownership=st.none() | st.sampled_from(Ownership),
    ek_class=st.none() | st.sampled_from(EkClass),
    binding_class=st.none() | st.sampled_from(BindingClass),
    appraisal=st.none()
    | st.builds(
        appraisal_of, st.sampled_from(Verdict), st.integers(NOW - 2000, NOW + 200)
    ),
    policy=st.sampled_from([None, FACTS.policy]),
    labels=st.sampled_from([None, {}, {"site": "berlin"}, {"site": "oslo"}]),
    manifest_digest=st.sampled_from([None, "", "cd" * 32]),
    freezes=st.sampled_from([None, (), ("fleet",)]),
    withdrawn=st.sampled_from([None, False, True]),
    factory_identity=st.sampled_from([None, False, True]),
)
POLICIES = st.builds(
    ReleasePolicy,
    accepted_ek=st.frozensets(
        st.sampled_from(sorted(set(EkClass) - {EkClass.REFUSED})), min_size=1
    ),
    accepted_binding=st.frozensets(
        st.sampled_from(sorted(set(BindingClass) - {BindingClass.UNBOUND})), min_size=1
    ),
    max_age_seconds=st.integers(1, 2000),
    required_labels=st.sampled_from([{}, {"site": "berlin"}]),
    factory_identity=st.booleans(),
)


@given(facts=ANY_FACTS, policy=POLICIES, name=OPTIONAL)
def test_removing_a_fact_never_opens_the_gate(
    facts: Facts, policy: ReleasePolicy, name: str
) -> None:
    before = decide(facts, policy, NOW)
    after = decide(without(facts, name), policy, NOW)
    if isinstance(before, Deny):
        assert isinstance(after, Deny)


@given(policy=POLICIES, name=NEEDED)
def test_no_device_is_allowed_without_every_fact(
    policy: ReleasePolicy, name: str
) -> None:
    assert isinstance(decide(without(FACTS, name), policy, NOW), Deny)


@given(facts=ANY_FACTS, policy=POLICIES, now=st.integers(0, 1 << 40))
def test_a_decision_is_total_and_replays_from_its_record(
    facts: Facts, policy: ReleasePolicy, now: int
) -> None:
    record = DecisionRecord.make(facts, policy, now)
    document = copy.deepcopy(record.to_json())
    again = DecisionRecord.from_json(document)
    assert replay(again) == record.decision


@given(facts=ANY_FACTS, policy=POLICIES, later=st.integers(1, 10000))
def test_time_alone_never_opens_the_gate_past_its_end(
    facts: Facts, policy: ReleasePolicy, later: int
) -> None:
    decision = decide(facts, policy, NOW)
    if isinstance(decision, Allow):
        assert decision.until >= NOW
        assert isinstance(decide(facts, policy, decision.until + later), Deny)


COUNTERS = st.builds(
    Counters,
    clock=st.integers(0, 50),
    reset_count=st.integers(0, 3),
    restart_count=st.integers(0, 3),
    firmware=st.integers(0, 2),
)


@given(first=COUNTERS, second=COUNTERS)
def test_two_different_quotes_cannot_each_follow_the_other(
    first: Counters, second: Counters
) -> None:
    taken = 0
    for one, two in ((first, second), (second, first)):
        try:
            check_advance(one, two)
            taken += 1
        except AttestationError:
            pass
    assert taken <= 1 or first == second
