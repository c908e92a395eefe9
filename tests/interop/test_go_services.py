"""Our device against the manufacturing, rendezvous and owner of go-fdo."""

from pathlib import Path

import httpx
import pytest

from onboarding.device.errors import NobodyThere
from tests.support.interop.go_services import GoServices
from tests.support.interop.matrix import COLUMN, KEX, ROWS, combinations
from tests.support.interop.our_device import (
    ENCODINGS,
    KEY_TYPES,
    ChosenDevice,
    OurDevice,
    our_device,
    suites,
)
from tests.support.interop.services import directive

PAIR = "Our device; go-fdo's manufacturing, rendezvous and owner"
BRIEF = {
    ("ec256", "x5chain", "ECDH256", "A192GCM"),
    ("ec384", "cose", "ECDH384", "A256GCM"),
    ("rsa2048", "x509", "DHKEXid14", "A128GCM"),
    ("pss3072", "x5chain", "ASYMKEX3072", "COSEAES256CTR"),
}


def bought(services: GoServices, guid: str, kind: str = "ec256") -> None:
    """Sell a device from their factory to their owner, and announce it."""
    buyer = services.key("owner", kind)
    services.take(services.sold(guid, buyer))
    services.register(guid, services.url)


@pytest.mark.interop(
    PAIR,
    title="DI, TO1 and TO2, by key, encoding, key exchange and cipher",
    rows=ROWS,
    column=COLUMN,
)
@pytest.mark.parametrize((*ROWS, COLUMN), combinations(KEX, BRIEF))
def test_our_device_goes_from_factory_to_owner(
    key: str,
    encoding: str,
    kex: str,
    cipher: str,
    services: GoServices,
    client: httpx.Client,
) -> None:
    services.policy()
    services.announce(directive(services.url))
    device = ChosenDevice.made_at(client, services.url, key, encoding)
    maker = services.voucher(device.guid).header.manufacturer_key
    assert (maker.type, maker.encoding) == (KEY_TYPES[key], ENCODINGS[encoding])
    bought(services, device.guid, key.replace("pss", "rsa"))
    to1d = device.find_owner(services.url)
    owned = device.onboard(services.url, to1d, **suites(kex, cipher))
    fate = services.fate(device.guid)
    assert (fate["done"], fate["error"]) == (True, "")
    assert owned.guid.replace("-", "") == fate["replacement"]


@pytest.mark.interop(PAIR)
def test_it_finds_its_owner_by_its_rendezvous_information(
    device: OurDevice, services: GoServices
) -> None:
    before = device.guid
    bought(services, before)
    taken = device.onboard()
    assert taken.owner_url == services.url
    assert services.fate(before)["replacement"] == device.guid.replace("-", "")


@pytest.mark.interop(PAIR)
def test_it_goes_straight_to_the_owner_where_rendezvous_is_bypassed(
    services: GoServices, tmp_path: Path
) -> None:
    services.policy()
    services.announce(directive(services.url, bypass=True))
    with our_device(tmp_path / "device") as device:
        guid = device.initialise(services.url)
        services.take(services.sold(guid, services.key("owner", "ec256")))
        assert device.onboard().owner_url == services.url


@pytest.mark.interop(PAIR)
def test_it_keeps_its_credential_when_the_owner_reuses_it(
    device: OurDevice, services: GoServices
) -> None:
    before = device.guid
    bought(services, before)
    services.policy(reuse=True)
    device.onboard()
    assert device.guid == before
    device.onboard()  # nothing of it was used up
    assert services.fate(before)["done"]


@pytest.mark.interop(PAIR)
def test_it_refuses_reuse_where_it_was_told_to(
    services: GoServices, tmp_path: Path
) -> None:
    services.policy(reuse=True)
    services.announce(directive(services.url))
    with our_device(tmp_path / "device", reuse=False) as device:
        guid = device.initialise(services.url)
        bought(services, guid)
        with pytest.raises(NobodyThere, match="credential to stay as it is"):
            device.onboard()
    assert not services.fate(guid)["done"]


@pytest.mark.interop(PAIR)
def test_it_is_onboarded_again_after_its_owner_sold_it_to_itself(
    device: OurDevice, services: GoServices
) -> None:
    bought(services, device.guid)
    device.onboard()
    second = device.guid
    services.take(services.sold(second, services.key("owner", "ec256"), "owner"))
    services.register(second, services.url)
    device.onboard()
    assert device.guid != second
