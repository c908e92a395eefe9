"""Runtime policies: which are taken, and which would judge nothing."""

import json
from dataclasses import replace
from typing import Any

import pytest

from attestation.errors import PolicyError
from attestation.policy import AttestationPolicy
from attestation.runtime_policy import MAX_RUNTIME_POLICY, read_runtime_policy

GOOD: dict[str, Any] = {
    "meta": {"version": 1, "generator": 3},
    "digests": {"boot_aggregate": ["ab" * 32]},
    "excludes": ["/var/cache/.*"],
}


def test_a_runtime_policy_is_named_by_the_digest_of_its_bytes() -> None:
    body = json.dumps(GOOD).encode()
    assert len(read_runtime_policy(body)) == 64
    assert read_runtime_policy(body + b"\n") != read_runtime_policy(body)


BAD: dict[str, dict[str, Any]] = {
    "nothing allowed": {"digests": {}},
    "an origin that Keylime ignores": {"meta": {"generator": 1}},
    "no origin": {"meta": {}},
    "everything excluded": {"excludes": [".*"]},
    "everything excluded in other words": {"excludes": ["^/"]},
    "no pattern": {"excludes": ["("]},
    "a number for a pattern": {"excludes": [1]},
    "no list of patterns": {"excludes": ".*"},
    "patterns without end": {"excludes": ["x"] * 257},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_one_that_would_judge_nothing_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        read_runtime_policy(json.dumps({**GOOD, **change}).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"meta":{},"meta":{"generator":3},"digests":{"a":[]}}',
        b"[" * 100_000,
        b" " * (MAX_RUNTIME_POLICY + 1),
    ],
)
def test_what_is_no_runtime_policy_is_refused(body: bytes) -> None:
    with pytest.raises(PolicyError):
        read_runtime_policy(body)


def test_it_stands_beside_what_booted_never_alone() -> None:
    policy = AttestationPolicy("ran", 1, {7: ("ab" * 32,)}, runtime_policy="cd" * 32)
    assert policy.quoted == (7, 10)
    assert policy.required == ("pcr:sha256:7", "ima:sha256:10")
    assert policy.needs_logs
    assert AttestationPolicy.from_json(policy.to_json()) == policy
    with pytest.raises(PolicyError):
        AttestationPolicy("ran", 1, {}, runtime_policy="cd" * 32)
    with pytest.raises(PolicyError):
        replace(policy, runtime_policy="CD" * 32)
