"""What tries routes tries them on both kinds of database."""

import re
from pathlib import Path

import pytest

E2E = Path(__file__).parents[2] / "e2e"
OWN = re.compile(r"\b(?:Site|joined|started|limited|opened)\(")
# Here something else is tried, and the routes are the same.
ONE_KIND = {
    "test_services_keys.py": "kinds of keys",
    "test_services_logs.py": "what is logged",
    "test_services_otel.py": "what a collector is told",
    "test_services_pkcs11.py": "keys in a token",
    "test_services_process.py": "processes that are killed",
    "test_services_tpm_device.py": "keys in a device's TPM",
    "test_services_tpm_keys.py": "keys in the server's TPM",
}
FILES = sorted(path.name for path in E2E.glob("test_services_*.py"))


@pytest.mark.parametrize("name", FILES)
def test_a_service_of_a_routes_test_is_started_on_either_database(name: str) -> None:
    text = (E2E / name).read_text()
    starts = [one.start() for one in OWN.finditer(text)]
    if name in ONE_KIND:
        assert starts
        return
    for at in starts:
        call = text[at : text.index("\n    ", text.index(")", at))]
        assert "databases" in call, call
