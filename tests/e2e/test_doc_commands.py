"""The guides are followed: what they tell people to type is typed, in their order.

This is the long story, of one manufacturer, one owner and a device with a TPM, under a
real Keylime. What the guides have besides is in tests/e2e/test_doc_*.py and the targets
that tests/unit/project/test_doc_runs.py names.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.doc_shell import Shell, shell
from tests.support.doc_stage import STAGE, set_up
from tests.support.doc_story import (
    AWAY,
    DEVICES,
    MAKERS,
    OPERATORS,
    README,
    SECURITY,
    Part,
    commands,
    follow,
)
from tests.support.keylime_stack import require_keylime
from tests.support.receiver import Receiver, receiving
from tests.support.swtpm import MakeSoftwareTpm

PROGRAMS = ("bash", "curl", "jq", "openssl", "tpm2_pcrextend", "tpm2_createek")
STORY = (
    Part(OPERATORS, "1. Keys"),
    Part(OPERATORS, "Keys for some"),
    Part("docs/console.md"),
    Part(OPERATORS, "2. Keylime"),
    Part(OPERATORS, "Stock Keylime", end=2),
    Part(OPERATORS, "3. Start", end=7),
    Part(MAKERS, "1. Set up"),
    Part(MAKERS, "What you hand out"),
    Part(OPERATORS, "3. Start", first=7),
    Part(DEVICES, "A TPM, or"),
    Part(OPERATORS, "4. Tell", end=7),
    Part(OPERATORS, "5. Say"),
    Part(OPERATORS, "Say what may run"),
    Part(OPERATORS, "Manifests"),
    Part(MAKERS, "2. At the station"),
    Part(MAKERS, "3. Sell", end=5),
    Part("docs/reference/cli.md", "Vouchers"),
    Part(OPERATORS, "6. Import"),
    Part(AWAY, "Carry"),
    Part(OPERATORS, "Registering"),
    Part(DEVICES, "From the factory"),
    Part(DEVICES, "Finding the owner"),
    Part(DEVICES, "Boards of your own"),
    Part(DEVICES, "What the boot"),
    Part("docs/troubleshooting.md"),
    Part(OPERATORS, "Observe, then"),
    Part(OPERATORS, "7. Read"),
    Part(OPERATORS, "Learn a policy"),
    Part(OPERATORS, "Update the"),
    Part(OPERATORS, "8. Freeze"),
    Part(SECURITY, "The audit log"),
    Part(SECURITY, "Webhooks"),
    Part(SECURITY, "Evidence packs"),
    Part(MAKERS, "A device CA under"),
    Part(MAKERS, "5. Production"),
    Part(MAKERS, "3. Sell", first=5),
    Part(MAKERS, "6. Serial"),
    Part(MAKERS, "7. Other"),
    Part(OPERATORS, "Stock Keylime", first=2),
    Part("docs/service-info.md"),
    Part(OPERATORS, "4. Tell", first=7),
    Part(OPERATORS, "9. Credentials"),
    Part(OPERATORS, "11. Owner keys"),
    Part(OPERATORS, "Backups", end=2),
    Part(OPERATORS, "Who may register"),
    Part(OPERATORS, "One question"),
    Part(OPERATORS, "Client certificates", end=1),
    Part(OPERATORS, "TLS and other"),
    Part(OPERATORS, "Client certificates", first=1),
    Part(README, "Running"),
)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def bash(
    tmp_path_factory: pytest.TempPathFactory,
    make_software_tpm: MakeSoftwareTpm,
    ek_ca: Path,
    receiver: Receiver,
) -> Iterator[Shell]:
    require_keylime()
    missing = [one for one in PROGRAMS if shutil.which(one) is None]
    if missing:
        pytest.skip(f"the guides use what is not installed: {', '.join(missing)}")
    with shell(tmp_path_factory.mktemp("guides")) as found:
        set_up(found, ek_ca, make_software_tpm("agent").start(), receiver.url)
        yield found


def test_the_guides_are_followed_to_their_end(bash: Shell) -> None:
    follow(bash, STORY, STAGE)
    assert bash.typed == commands(STORY)
