"""Key files that open at once, where what they hold is not what is tested."""

from collections.abc import Iterator

import pytest

from onboarding.services import key_files


@pytest.fixture(scope="module")
def cheap_key_files() -> Iterator[None]:
    """Stretch passphrases of this module's key files a little only.

    No other program can open them, nor this one afterwards. What it costs in earnest
    is held by the tests of the key store.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_files, "SCRYPT_N", 2)
        yield
