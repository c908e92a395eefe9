"""``vouchgate doctor``: what it finds on a healthy machine, and on sick ones."""

import json
import socket
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from attestation.keylime.stack import KeylimeStack
from onboarding.cli import doctor
from onboarding.cli.app import run
from onboarding.cli.finding import Health
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.settings import Settings
from onboarding.store.database import Database
from onboarding.store.event_log import ChainHead, EventLog
from onboarding.store.events import Event
from onboarding.store.made import MadeStore
from onboarding.store.making import Making, SameSerial
from onboarding.store.owner_keys import KeyStanding, KeyState, OwnerKeyStore
from onboarding.store.vouchers import VoucherStore
from tests.support.authorities import ROOT
from tests.support.store_records import voucher
from tests.support.swtpm import MakeSoftwareTpm

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "passphrase").write_text("of a test\n")
    settings = {
        "KEY_DIRECTORY": tmp_path / "keys",
        "KEY_PASSPHRASE_FILE": tmp_path / "passphrase",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'service.db'}",
        "ROLE": "owner",
        "PORT": "0",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"VOUCHGATE_{name}", str(value))
    return tmp_path


def findings(capsys: Capture, code: int) -> dict[str, dict[str, str]]:
    assert run(["doctor", "--json"]) == code
    checks = json.loads(capsys.readouterr().out)["checks"]
    return {one["name"]: one for one in checks}


def migrated(home: Path) -> None:
    database = Database(f"sqlite:///{home / 'service.db'}")
    database.migrate()
    database.close()


def test_a_machine_with_keys_and_a_database_is_fit(home: Path, capsys: Capture) -> None:
    assert run(["keys", "new", "--kind", "owner", "--json"]) == 0
    capsys.readouterr()
    migrated(home)
    found = findings(capsys, 0)
    for name in ("clock", "entropy", "ports", "owner key", "database", "vouchers"):
        assert found[name]["health"] == "ok", found[name]


def test_what_is_not_well_says_how_to_mend_it(home: Path, capsys: Capture) -> None:
    found = findings(capsys, 1)
    assert found["owner key"]["health"] == "bad"
    assert "vouchgate keys new --kind owner" in found["owner key"]["mend"]
    ill = [one for one in found.values() if one["health"] in ("bad", "warning")]
    assert all(one["mend"] for one in ill)


def test_a_wrong_passphrase_is_found(home: Path, capsys: Capture) -> None:
    assert run(["keys", "new", "--kind", "owner", "--json"]) == 0
    capsys.readouterr()
    (home / "passphrase").write_text("another\n")
    assert "does not open" in findings(capsys, 1)["owner key"]["detail"]


def test_a_file_that_is_no_database_is_found(home: Path, capsys: Capture) -> None:
    (home / "service.db").write_bytes(b"not a database" * 100)
    assert findings(capsys, 1)["database"]["health"] == "bad"


def test_tables_of_another_version_are_found(home: Path, capsys: Capture) -> None:
    sqlite3.connect(home / "service.db").execute(
        "CREATE TABLE t (x)"
    ).connection.close()
    assert findings(capsys, 1)["database"]["health"] in ("warning", "bad")


def log_events(home: Path) -> ChainHead:
    database = Database(f"sqlite:///{home / 'service.db'}")
    database.migrate()
    log = EventLog(database)
    for cause in ("test.one", "test.two"):
        log.append(Event(cause, "test", 1_800_000_000))
    head = log.verify_chain()
    database.close()
    return head


def test_the_audit_log_is_verified_and_its_head_told(
    home: Path, capsys: Capture
) -> None:
    head = log_events(home)
    found = findings(capsys, 1)["audit log"]
    told = f"2 events, head {head.digest.hex()}"
    assert (found["health"], found["detail"]) == ("ok", told)


@pytest.mark.parametrize(
    "change",
    ["UPDATE events SET actor = 'nobody' WHERE seq = 1", "DELETE FROM events"],
)
def test_a_rewritten_audit_log_is_found(
    home: Path, capsys: Capture, change: str
) -> None:
    log_events(home)
    with sqlite3.connect(home / "service.db") as connection:
        for trigger in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {trigger[0]}")
        connection.execute(change)
    connection.close()
    found = findings(capsys, 1)["audit log"]
    assert found["health"] == "bad"
    assert "backup" in found["mend"]


def test_a_port_in_use_is_a_warning() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = doctor.check_ports(Settings(port=taken.getsockname()[1]))
    assert found.health is Health.WARNING
    assert "VOUCHGATE_PORT" in found.mend


@pytest.mark.parametrize("now", [0.0, 5e9], ids=["1970", "2128"])
def test_a_clock_that_cannot_be_right_is_bad(now: float) -> None:
    assert doctor.check_clock(now).health is Health.BAD


def test_a_tpm_that_does_not_answer_is_bad() -> None:
    pytest.importorskip("tpm2_pytss", reason="extra 'tpm' not installed")
    found = doctor.check_tpm("swtpm:host=127.0.0.1,port=1")
    assert found.health is Health.BAD
    assert found.mend


def test_a_software_tpm_with_its_certificate_is_well(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    found = doctor.check_tpm(make_software_tpm("doctor").start())
    assert found.health is Health.OK, found


def test_keylime_in_push_mode_is_well(keylime_stack: KeylimeStack) -> None:
    known = keylime_stack.client_settings()
    settings = Settings(
        keylime_verifier_url=known.verifier_url,
        keylime_registrar_url=known.registrar_url,
        keylime_registrar_http_url=known.registrar_http_url,
        keylime_ca=known.ca,
        keylime_cert=known.cert,
        keylime_key=known.key,
    )
    found = doctor.check_keylime(settings)
    assert (found.health, "push" in found.detail) == (Health.OK, True), found
    judges = (known.verifier_url, "https://127.0.0.1:1")
    found = doctor.check_keylime(
        settings.model_copy(update={"keylime_evidence_urls": judges})
    )
    assert found.health is Health.WARNING
    assert "1 of 2 verifiers of evidence answer; https://127.0.0.1:1:" in found.detail
    assert "VOUCHGATE_KEYLIME_EVIDENCE_URLS" in found.mend


def test_keylime_that_does_not_answer_is_bad(tmp_path: Path) -> None:
    nowhere = "https://127.0.0.1:1"
    settings = Settings(
        keylime_verifier_url=nowhere,
        keylime_registrar_url=nowhere,
        keylime_registrar_http_url="http://127.0.0.1:1",
        keylime_ca=tmp_path / "ca",
        keylime_cert=tmp_path / "cert",
        keylime_key=tmp_path / "key",
    )
    assert doctor.check_keylime(settings).health is Health.BAD


def test_the_port_of_other_paths_is_looked_at_too() -> None:
    other = {"compat": "go-fdo-server", "port": 0}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        settings = Settings(compat_port=number, **other)  # type: ignore[arg-type]
        found = doctor.check_ports(settings)
        assert found.health is Health.WARNING
        assert "VOUCHGATE_COMPAT_PORT" in found.mend
    whole = Settings(compat_port=0, **other)  # type: ignore[arg-type]
    assert doctor.check_ports(whole).detail.count("is free") == 2


def test_a_key_whose_successor_is_not_here_is_bad(home: Path, capsys: Capture) -> None:
    made = KeyStore(home / "keys", b"of a test")
    old = made.create("owner", KeyKind.OWNER, KeyAlgorithm.P256).fingerprint
    migrated(home)
    database = Database(f"sqlite:///{home / 'service.db'}")
    said = KeyStanding(old, KeyState.RETIRING, "0" * 64, "yearly", 1, "test")
    OwnerKeyStore(database).put(said, KeyState.ACTIVE)
    database.close()
    found = findings(capsys, 1)["owner keys"]
    assert found["health"] == "bad"
    assert "owner is retiring, 0 still hang on it" in found["detail"]
    assert "successor's file is not here" in found["detail"]


@pytest.fixture
def works(home: Path, monkeypatch: pytest.MonkeyPatch) -> KeyStore:
    """A factory's keys, and its database."""
    monkeypatch.setenv("VOUCHGATE_ROLE", "manufacturing")
    store = KeyStore(home / "keys", b"of a test")
    for kind in (KeyKind.MANUFACTURER, KeyKind.DEVICE_CA):
        store.create(kind.value, kind, KeyAlgorithm.P256)
    migrated(home)
    return store


def test_a_device_ca_that_runs_out_is_told_of_in_time(
    works: KeyStore, capsys: Capture
) -> None:
    assert findings(capsys, 0)["device CA dates"]["health"] == "ok"
    key = works.private_key("device-ca").public_key()
    for since, health, code in ((350, "warning", 0), (400, "bad", 1)):
        chain = [ROOT.issue(key, "ca", length=0, years=1, since=since)]
        works.set_chain("device-ca", chain)
        found = findings(capsys, code)["device CA dates"]
        assert found["health"] == health
        assert "vouchgate keys chain" in found["mend"]


def test_a_factory_whose_vouchers_went_to_their_buyers_is_well(
    works: KeyStore, home: Path, capsys: Capture
) -> None:
    database = Database(f"sqlite:///{home / 'service.db'}")
    how = Making("default", "", bytes(32), 1, None, lambda: SameSerial.ALARM)
    for number in (1, 2):
        guid = bytes([number]) * 16
        one = replace(voucher(guid, ()), serial="SN")
        other = replace(how, device_key=bytes([number]) * 32)
        MadeStore(database).make(one, other, "test")
        VoucherStore(database).add(voucher(guid, ("buyer",)), "test")
    database.close()
    found = findings(capsys, 0)
    assert found["vouchers"]["health"] == "ok"
    assert found["serial numbers"]["health"] == "warning"
    assert "vouchgate made settle" in found["serial numbers"]["mend"]


def test_an_owner_without_a_key_that_may_sign_is_told_so(
    home: Path, capsys: Capture
) -> None:
    made = KeyStore(home / "keys", b"of a test")
    only = made.create("owner", KeyKind.OWNER, KeyAlgorithm.P256).fingerprint
    migrated(home)
    database = Database(f"sqlite:///{home / 'service.db'}")
    said = KeyStanding(only, KeyState.REVOKED, None, "stolen", 1, "test")
    OwnerKeyStore(database).put(said, KeyState.ACTIVE)
    database.close()
    found = findings(capsys, 1)["owner keys"]
    assert found["health"] == "bad"
    assert "owner is revoked" in found["detail"]
    assert "no key may sign" in found["detail"]
