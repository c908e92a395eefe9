import pytest

from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from ownership_vouchers.rendezvous import (
    Candidates,
    RendezvousInfo,
    RvProtocol,
    RvVariable,
    device_addresses,
    owner_addresses,
)
from ownership_vouchers.types import Hash, HashType

PIN = Hash.of(HashType.SHA256, b"certificate")
EVERYTHING: dict[str, object] = {
    "owner_only": True,
    "ip": "2001:db8::1",
    "device_port": 8080,
    "owner_port": 8081,
    "dns": "rv.example.test",
    "sv_cert_hash": f"sha256:{PIN.value.hex()}",
    "cl_cert_hash": f"sha256:{PIN.value.hex()}",
    "user_input": False,
    "wifi_ssid": "factory",
    "wifi_pw": "secret",
    "medium": 21,
    "protocol": "https",
    "delay": 30,
    "bypass": True,
    "ext_rv": ["mechanism", 1],
}


def test_the_json_form_and_the_wire_say_the_same() -> None:
    built = RendezvousInfo.build([EVERYTHING, {"device_only": True}, {}])
    assert built.describe() == [EVERYTHING, {"device_only": True}, {}]
    assert RendezvousInfo.from_cbor(built.raw) == built
    assert cbor.encode(built.to_item()) == built.raw


def test_a_value_is_wrapped_and_a_flag_stands_alone() -> None:
    raw = RendezvousInfo.build([{"dns": "rv", "bypass": True}]).raw
    assert raw.hex() == "8182820543627276810e"


WRONG: dict[str, tuple[str, object]] = {
    "a name nobody knows": ("domain", "x"),
    "a flag that is off": ("bypass", False),
    "a flag with a value": ("bypass", 1),
    "a port over 16 bits": ("device_port", 65536),
    "a port in text": ("owner_port", "8080"),
    "a name with a path": ("dns", "rv.example/path"),
    "a name with a user": ("dns", "user@rv.example"),
    "a name with a line feed": ("dns", "rv.example\n"),
    "an empty name": ("dns", ""),
    "a name of 254 letters": ("dns", "x" * 254),
    "an address that is none": ("ip", "300.1.1.1"),
    "an address with a zone": ("ip", "fe80::1%eth0/../../.."),
    "a hash without its name": ("sv_cert_hash", PIN.value.hex()),
    "a hash too short": ("sv_cert_hash", "sha256:00"),
    "a hash by MD5": ("cl_cert_hash", "md5:" + "00" * 16),
    "a protocol nobody knows": ("protocol", "gopher"),
    "a negative delay": ("delay", -1),
    "half a surrogate": ("wifi_ssid", "\ud800"),
    "no mechanism": ("ext_rv", []),
    "null": ("dns", None),
}


@pytest.mark.parametrize(("name", "value"), WRONG.values(), ids=WRONG)
def test_a_setting_that_is_none_is_refused_by_name(name: str, value: object) -> None:
    RendezvousInfo.build([{"dns": "rv.example.test"}])  # passes unaltered
    with pytest.raises(MalformedError, match=name):
        RendezvousInfo.build([{name: value}])


def test_a_device_asks_name_before_address_and_leaves_the_owners_out() -> None:
    rv_info = RendezvousInfo.build(
        [
            {"ip": "192.0.2.1", "dns": "rv.example", "device_port": 1, "owner_port": 2},
            {"owner_only": True, "dns": "owner.example"},
            {"dns": "here.example", "protocol": "http", "bypass": True, "delay": 7},
            {"ip": "2001:db8::1", "protocol": "https"},
        ]
    )
    assert device_addresses(rv_info) == (
        Candidates(1, ("https://rv.example:1", "https://192.0.2.1:1")),
        Candidates(3, ("http://here.example:80",), bypass=True, delay=7),
        Candidates(4, ("https://[2001:db8::1]:443",)),
    )
    assert owner_addresses(rv_info) == (
        Candidates(1, ("https://rv.example:2", "https://192.0.2.1:2")),
        Candidates(2, ("https://owner.example:443",)),
        Candidates(4, ("https://[2001:db8::1]:443",)),
    )


def test_an_owner_leaves_out_what_is_for_the_device() -> None:
    rv_info = RendezvousInfo.build([{"dns": "rv.example", "device_only": True}])
    assert owner_addresses(rv_info) == ()
    assert len(device_addresses(rv_info)) == 1


def test_nobody_follows_an_external_rendezvous() -> None:
    rv_info = RendezvousInfo.build([{"dns": "rv.example", "ext_rv": ["other"]}])
    assert owner_addresses(rv_info) == device_addresses(rv_info) == ()


def test_a_pinned_certificate_reaches_the_client() -> None:
    rv_info = RendezvousInfo.build(
        [{"dns": "rv.example", "sv_cert_hash": f"sha256:{PIN.value.hex()}"}]
    )
    (only,) = device_addresses(rv_info)
    assert (only.server_hash, only.ca_hash) == (PIN, None)


@pytest.mark.parametrize("kind", [HashType.SHA256, HashType.SHA384])
def test_a_pin_without_its_algorithm_is_a_pin_all_the_same(kind: HashType) -> None:
    """As go-fdo-server writes it: passed over, it would pin nothing."""
    digest = bytes([7]) * kind.size
    for size, found in ((kind.size, Hash(kind, digest)), (kind.size - 1, None)):
        pin = [RvVariable.SV_CERT_HASH, cbor.encode(digest[:size])]
        raw = cbor.encode([[[RvVariable.DNS, cbor.encode("rv")], pin]])
        (only,) = device_addresses(RendezvousInfo.from_cbor(raw))
        assert only.server_hash == found


@pytest.mark.parametrize("number", [3, 4, 5, 6, 9])
def test_a_protocol_we_do_not_speak_gives_no_address(number: int) -> None:
    rv_info = RendezvousInfo.build([{"dns": "rv.example", "protocol": number}])
    assert device_addresses(rv_info) == (Candidates(1, ()),)


def test_a_pure_delay_is_kept() -> None:
    rv_info = RendezvousInfo.build([{"delay": 60}, {"dns": "rv.example"}])
    assert [(one.urls == (), one.delay) for one in device_addresses(rv_info)] == [
        (True, 60),
        (False, None),
    ]


def test_what_cannot_be_read_is_passed_over() -> None:
    odd = [
        [RvVariable.DNS, b"\xff"],
        [RvVariable.IP, cbor.encode(b"\x7f\x00\x00\x01")],
        [RvVariable.DEVICE_PORT, cbor.encode("8080")],
        [200, b"\x01"],
        [RvVariable.BYPASS, None],
    ]
    rv_info = RendezvousInfo.from_cbor(cbor.encode([odd]))
    assert rv_info.describe() == [{"ip": "127.0.0.1", "bypass": True}]
    assert device_addresses(rv_info)[0] == Candidates(
        1, ("https://127.0.0.1:443",), bypass=True
    )


def test_an_unreadable_external_rendezvous_is_not_followed_either() -> None:
    raw = cbor.encode([[[RvVariable.DNS, cbor.encode("rv")], [15, b"\x80"]]])
    assert device_addresses(RendezvousInfo.from_cbor(raw)) == ()


def test_an_ipv4_address_in_16_bytes_is_an_ipv4_address() -> None:
    mapped = bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1])
    raw = cbor.encode([[[RvVariable.IP, cbor.encode(mapped)]]])
    assert RendezvousInfo.from_cbor(raw).describe() == [{"ip": "192.0.2.1"}]


def test_protocols_are_named_where_we_know_the_name() -> None:
    for number in (*RvProtocol, 99):
        rv_info = RendezvousInfo.build([{"protocol": int(number)}])
        name = RvProtocol(number).name.lower() if number in set(RvProtocol) else 99
        assert rv_info.describe() == [{"protocol": name}]


SHAPES: dict[str, object] = {
    "no list": {},
    "no list of lists": [5],
    "no list of instructions": [[5]],
    "an empty instruction": [[[]]],
    "three parts": [[[5, b"", b""]]],
    "a variable over 8 bits": [[[256]]],
    "a variable in text": [[["5"]]],
    "a value not wrapped": [[[5, "rv"]]],
    "a value over 1024 bytes": [[[5, bytes(1025)]]],
    "33 instructions": [[[number] for number in range(33)]],
    "33 directives": [[]] * 33,
    "a variable twice": [[[5, b"\x60"], [5, b"\x60"]]],
}


@pytest.mark.parametrize("item", SHAPES.values(), ids=SHAPES)
def test_another_shape_is_refused(item: object) -> None:
    with pytest.raises(MalformedError):
        RendezvousInfo.from_cbor(cbor.encode(item))
