"""What a verifier is told beside PCRs, and what it tells back."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from attestation.keylime.answers import Answer
from attestation.keylime.errors import KeylimeError
from attestation.keylime.held import (
    HeldTo,
    enrolment_body,
    read_policy,
    read_second,
    store_boots,
    store_runtime_policy,
)
from attestation.keylime.results import NO_SUCH_LIST, EvidenceVerdict, Failure
from tests.support.booted import learnt_policy, of_pcr_11, reference

HELD = HeldTo("ab" * 32, "cd" * 32)
BOOT = reference(learnt_policy())
BOOTED = HeldTo("ab" * 32, boot=BOOT)
BODY = b'{"meta": {"generator": 3}, "digests": {"/a": ["00"]}}'


class Kept:
    """A verifier's policies by path, as its API answers."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.calls: list[str] = []
        self.kept: dict[str, object] = {}
        self._deaf = deaf

    def verifier(
        self,
        method: str,
        path: str,
        accepted: set[int],
        body: Mapping[str, object] | None = None,
        limit: int = 0,
    ) -> tuple[int, bytes]:
        self.calls.append(method)
        status = 200 if method == "GET" else 201
        if body is not None and not self._deaf:
            text = str(body.get("mb_policy", ""))
            text = text or base64.b64decode(str(body["runtime_policy"])).decode()
            self.kept[path] = json.dumps(json.loads(text), sort_keys=True)
        if path not in self.kept:
            status = 404 if method == "GET" else 201
        assert status in accepted or self._deaf
        member = "mb_policy" if "/mbpolicies/" in path else "runtime_policy"
        results = {member: self.kept.get(path, "{}")}
        return status, json.dumps({"results": results}).encode()


def test_a_policy_for_lists_is_stored_once_under_its_digest() -> None:
    keylime = Kept()
    store_runtime_policy(keylime, HELD, BODY)
    assert list(keylime.kept) == [f"/v2.6/allowlists/vouchgate-{'cd' * 32}"]
    assert keylime.calls == ["GET", "POST", "GET"]
    store_runtime_policy(keylime, HELD, BODY)
    assert keylime.calls[3:] == ["GET"]


def test_one_that_was_changed_there_is_put_right() -> None:
    keylime = Kept()
    keylime.kept[f"/v2.6/allowlists/{HELD.runtime_name}"] = '{"digests": {}}'
    store_runtime_policy(keylime, HELD, BODY)
    assert keylime.calls == ["GET", "PUT", "GET"]


def test_one_that_is_not_kept_is_an_error() -> None:
    with pytest.raises(KeylimeError, match="keeps another"):
        store_runtime_policy(Kept(deaf=True), HELD, BODY)


def test_boots_are_kept_likewise_and_none_are_not() -> None:
    keylime = Kept()
    store_boots(keylime, BOOTED)
    assert list(keylime.kept) == [f"/v2.6/mbpolicies/{BOOTED.boot_name}"]
    store_boots(keylime, BOOTED)
    store_boots(keylime, HELD)
    assert keylime.calls == ["GET", "POST", "GET", "GET"]
    with pytest.raises(KeylimeError, match="keeps another"):
        store_boots(Kept(deaf=True), BOOTED)


def test_an_enrolment_by_events_alone_names_its_bank_and_its_boots() -> None:
    body = enrolment_body(b"ak", {}, BOOTED)
    assert body["mb_policy_name"] == f"vouchgate-{BOOT.digest}"
    assert (body["tpm_policy"], body["accept_tpm_hash_algs"]) == ("{}", ["sha256"])
    assert BOOTED.quoted == BOOT.pcrs
    without_0 = replace(BOOTED, boot=reference(of_pcr_11()))
    assert without_0.quoted == {0, 11}  # or a stock agent would bring no log
    with pytest.raises(KeylimeError, match="different banks"):
        enrolment_body(b"ak", {7: ("ab" * 48,)}, BOOTED)
    with pytest.raises(KeylimeError, match="pins no PCR"):
        enrolment_body(b"ak", {}, HELD)


def test_an_enrolment_names_both_policies_and_the_digest_comes_back() -> None:
    body = enrolment_body(b"ak", {7: ("ab" * 32,)}, HELD)
    assert body["runtime_policy_name"] == f"vouchgate-{'cd' * 32}"
    assert read_policy(Answer("meta_data", body["metadata"])) == "ab" * 32
    plain = enrolment_body(b"ak", {7: ("ab" * 32,)}, HeldTo())
    assert (plain["runtime_policy_name"], plain["metadata"]) == ("", "{}")


@pytest.mark.parametrize("said", ["", "{}", "[]", "x", '{"policy": 7}'])
def test_metadata_of_others_names_no_policy(said: str) -> None:
    assert read_policy(Answer("meta_data", said)) == ""


def test_an_enrolment_says_that_another_was_tried_before_it() -> None:
    second = HeldTo("ab" * 32, second=True)
    for held, said in ((HELD, False), (second, True)):
        body = enrolment_body(b"ak", {7: ("ab" * 32,)}, held)
        assert read_second(Answer("meta_data", body["metadata"])) is said
    assert not read_second(Answer("meta_data", '{"second": "yes"}'))


def test_a_list_that_was_not_asked_for_is_not_missed() -> None:
    missed = Failure(NO_SUCH_LIST, "it does not match", "")
    other = Failure("pcr_validation.invalid_pcr_8", "PCR 8", "")
    assert EvidenceVerdict.of((missed,), listed=False).valid
    assert EvidenceVerdict.of((missed, other), listed=False).failures == (other,)
    assert not EvidenceVerdict.of((missed,), listed=True).valid
