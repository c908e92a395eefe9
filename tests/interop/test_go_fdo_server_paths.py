"""go-fdo-server's management paths: what our tables say it answers, asked of itself."""

from pathlib import Path

import httpx
import pytest

from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import dump_pem, load_voucher
from ownership_vouchers.verify import verify
from tests.support.compat_seen import Step, differences
from tests.support.compat_steps import FACTORY, OWNER, rendezvous_steps
from tests.support.interop.go_fdo_server import (
    PROGRAM,
    WITHOUT,
    bypassing,
    go_fdo_server,
)
from tests.support.interop.go_services import plain

PAIR = "go-fdo-server's management paths, and what ours are held to"
LISTED = {"guid", "device_info", "created_at", "updated_at"}
DEVICE = {*LISTED, "old_guid", "to2_completed"}

pytestmark = pytest.mark.skipif(not PROGRAM, reason=WITHOUT)


@pytest.mark.interop(PAIR)
@pytest.mark.parametrize("role", ["manufacturing", "rendezvous", "owner"])
def test_it_answers_as_our_tables_say(role: str, tmp_path: Path) -> None:
    with go_fdo_server(tmp_path, introduced=False) as theirs:
        steps, server = {
            "manufacturing": (FACTORY, theirs.factory),
            "rendezvous": (rendezvous_steps(), theirs.rendezvous),
            "owner": (OWNER, theirs.owner),
        }[role]

        def ask(step: Step) -> httpx.Response:
            return server.ask(step.method, step.path, step.body, headers=step.headers)

        assert differences(steps, ask, ours=False) == []


@pytest.mark.interop(PAIR)
def test_its_lists_have_the_members_that_ours_have(tmp_path: Path) -> None:
    """As tests/e2e/test_compat_go_fdo_server.py has them of ours."""
    with (
        go_fdo_server(tmp_path / "theirs") as theirs,
        bypassing(theirs, tmp_path / "device") as device,
    ):
        before = device.guid
        (voucher,) = theirs.factory.ask("GET", "/api/v1/vouchers").json()
        assert (voucher["guid"], set(voucher)) == (plain(before), LISTED)
        (waiting,) = theirs.owner.ask("GET", "/api/v1/owner/devices").json()
        assert set(waiting) == DEVICE
        assert (waiting["old_guid"], waiting["to2_completed"]) == ("", False)
        device.onboard()
        owned = theirs.owned(before)
        assert set(owned) == {*DEVICE, "to2_completed_at"}
        assert (owned["old_guid"], owned["guid"]) == (plain(before), plain(device.guid))
        shown = theirs.factory.ask("GET", f"/api/v1/vouchers/{plain(before)}")
        assert shown.headers["content-type"] == "application/x-pem-file"
        assert {len(one) for one in shown.text.splitlines()[1:-2]} == {64}
        sold = theirs.owner.ask(
            "POST", f"/api/v1/owner/resell/{owned['guid']}", theirs.keys.owner_pem
        )
        assert sold.headers["content-type"] == "application/x-pem-file"


@pytest.mark.interop(PAIR)
def test_it_says_200_of_a_longer_voucher_and_keeps_the_one_that_it_has(
    tmp_path: Path,
) -> None:
    """Ours takes it in the other's place: the guide tells of the difference."""
    with (
        go_fdo_server(tmp_path / "theirs") as theirs,
        bypassing(theirs, tmp_path / "device") as device,
    ):
        known = load_voucher(theirs.voucher(device.guid).strip().encode())
        buyer = PublicKey.of(theirs.keys.owner.public_key())
        signer = SoftSigner(theirs.keys.owner)
        longer = extend(verify(known), signer, known.owner_key, buyer)
        theirs.take(dump_pem(longer))  # 200, and nothing said
        sold = theirs.resold(device.guid, theirs.keys.owner_pem)
        counts = [len(one.entries) for one in (known, longer)]
        assert counts == [1, 2]
        assert len(load_voucher(sold.strip().encode()).entries) == 2
