"""How a refusal is told: by its FDO error code."""

from collections.abc import Callable

import pytest

from onboarding.protocol.errors import ProtocolError, error_code
from ownership_vouchers.errors import VoucherError


def code_of(run: Callable[[], object]) -> int:
    """Run what must be refused by one of our own errors; return the code."""
    with pytest.raises((ProtocolError, VoucherError)) as refused:
        run()
    return int(error_code(refused.value))
