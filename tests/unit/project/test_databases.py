"""What tries routes, the gate or FDO tries them on both kinds of database."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
BENCHES = {"owner_bench", "attesting_device", "pushing_device", "pull_site"}
SITES = {"Site", "joined", "started", "limited", "opened", "certifier"}
# Here something else is tried, and what is stored is the same.
ONE_KIND = {
    "test_plain_answers.py": "what peers answer",
    "test_device_front.py": "which calls are taken before FastAPI",
    "test_services_keys.py": "kinds of keys",
    "test_services_logs.py": "what is logged",
    "test_services_otel.py": "what a collector is told",
    "test_services_pkcs11.py": "keys in a token",
    "test_services_process.py": "processes that are killed",
    "test_services_tpm_device.py": "keys in a device's TPM",
    "test_services_tpm_keys.py": "keys in the server's TPM",
}
FOLDERS = {
    "e2e/test_services_*.py": BENCHES | SITES,
    "e2e/test_attacks.py": BENCHES,
    "e2e/test_evidence_pack.py": BENCHES,
    "conformance/*.py": SITES,
    "unit/onboarding/services/test_*.py": BENCHES,
}
FILES = [
    pytest.param(path, names, id=path.name)
    for where, names in FOLDERS.items()
    for path in sorted(TESTS.glob(where))
]


def starts(text: str, names: set[str]) -> Iterator[str]:
    """What a file says wherever it starts a service, or what a service is made of."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in names:
                yield ast.unparse(node)


@pytest.mark.parametrize(("path", "names"), FILES)
def test_a_service_of_a_test_is_started_on_either_database(
    path: Path, names: set[str]
) -> None:
    calls = [*starts(path.read_text(), names)]
    if path.name in ONE_KIND:
        assert calls
        return
    assert [call for call in calls if "databases" not in call] == []
