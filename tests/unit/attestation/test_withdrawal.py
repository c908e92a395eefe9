"""Removal orders and the reports that answer them."""

from dataclasses import replace

import pytest

from attestation.errors import DocumentFault, DocumentRefused
from attestation.withdrawal import (
    RemovalOrder,
    RemovalReport,
    open_order,
    open_removal_report,
    open_report,
    proves_removal,
    sign_order,
    sign_removal_report,
    sign_report,
)
from tests.support.documents import (
    GUID,
    KEY,
    NOW,
    ORDER,
    OTHER_GUID,
    REMOVAL,
    REPORT,
    SIGNER,
)


def test_an_order_is_for_one_device() -> None:
    with pytest.raises(DocumentRefused) as refusal:
        open_order(sign_order(ORDER, SIGNER), KEY, guid=OTHER_GUID)
    assert refusal.value.code is DocumentFault.WRONG_DEVICE


def test_an_order_from_before_the_present_release_is_refused() -> None:
    data = sign_order(ORDER, SIGNER)
    assert open_order(data, KEY, guid=GUID, applied_at=NOW) == ORDER
    with pytest.raises(DocumentRefused) as refusal:
        open_order(data, KEY, guid=GUID, applied_at=NOW + 1)
    assert refusal.value.code is DocumentFault.SUPERSEDED


ORDERS: dict[str, tuple[RemovalOrder, DocumentFault]] = {
    "another device": (replace(ORDER, guid=OTHER_GUID), DocumentFault.WRONG_DEVICE),
    "another manifest": (
        replace(ORDER, manifest_digest="cd" * 32),
        DocumentFault.WRONG_MANIFEST,
    ),
    "an earlier order": (replace(ORDER, nonce=b"1" * 16), DocumentFault.WRONG_ORDER),
}


@pytest.mark.parametrize("case", ORDERS)
def test_a_removal_report_answers_its_own_order_only(case: str) -> None:
    data = sign_removal_report(REMOVAL, SIGNER)
    assert open_removal_report(data, KEY, ORDER) == REMOVAL
    order, fault = ORDERS[case]
    with pytest.raises(DocumentRefused) as refusal:
        open_removal_report(data, KEY, order)
    assert refusal.value.code is fault


PATHS = ("web.container", "db.container")
PARTIAL: dict[str, RemovalReport] = {
    "one not named": replace(REMOVAL, removed=PATHS[:1]),
    "one remains": replace(REMOVAL, removed=PATHS, remaining=PATHS[1:]),
    "nothing": replace(REMOVAL, removed=()),
}


@pytest.mark.parametrize("case", PARTIAL)
def test_removal_is_proven_when_each_path_is_gone_and_none_remains(case: str) -> None:
    assert proves_removal(replace(REMOVAL, removed=PATHS), PATHS)
    assert not proves_removal(PARTIAL[case], PATHS)


def test_removal_of_nothing_proves_nothing() -> None:
    assert not proves_removal(replace(REMOVAL, removed=()), ())


def test_a_report_is_from_one_device() -> None:
    with pytest.raises(DocumentRefused) as refusal:
        open_report(sign_report(REPORT, SIGNER), KEY, guid=OTHER_GUID)
    assert refusal.value.code is DocumentFault.WRONG_DEVICE
