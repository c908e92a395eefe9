"""Bytes for property tests: any at all, any CBOR, and good ones gone wrong."""

from collections.abc import Callable

from cbor2 import CBORTag
from hypothesis import settings
from hypothesis import strategies as st

from onboarding.protocol.errors import (
    DeviceUnsupported,
    PeerFailed,
    ProtocolError,
    error_code,
)
from onboarding.wire.message import ErrorCode
from ownership_vouchers import cbor
from ownership_vouchers.errors import VoucherError

STEADY = settings(deadline=None, max_examples=40)  # a busy machine is no failure
ITEMS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=60)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(st.integers(-300, 300), inner, max_size=4)
        | st.builds(CBORTag, st.sampled_from([0, 1, 16, 18]), inner)
    ),
    max_leaves=30,
)
ANY = st.binary(max_size=300) | ITEMS.map(cbor.encode)

# Not our fault, though FDO has no better code than 500 for the first, and the second
# ends a run without an answer.
CODELESS = (DeviceUnsupported, PeerFailed)


def mutations(data: bytes) -> st.SearchStrategy[bytes]:
    """The good bytes with one of them changed, or cut anywhere."""
    at = st.integers(0, len(data) - 1)
    changed = st.builds(
        lambda i, b: data[:i] + bytes([b]) + data[i + 1 :], at, st.integers(0, 255)
    )
    return changed | at.map(lambda i: data[:i])


def outcome(run: Callable[[], object]) -> ErrorCode | None:
    """Return the code of what is refused; None for what is taken.

    Anything but a value or an error of ours comes out and fails the test; so does an
    error of ours with the code that says that the fault is ours.
    """
    try:
        run()
    except CODELESS as error:
        return error_code(error)
    except (ProtocolError, VoucherError) as error:
        code = error_code(error)
        assert code is not ErrorCode.INTERNAL_SERVER_ERROR, "the fault is ours"
        return code
    return None
