"""A TPM that goes away and comes back, under a program that stays."""

import pytest

from hw.errors import TpmError, TpmUnavailableError
from hw.swtpm import SoftwareTpm
from tests.support.swtpm import MakeSoftwareTpm


def _restarted(software: SoftwareTpm, tcti: str) -> None:
    assert software.start(int(tcti.rpartition("port=")[2])) == tcti


def test_a_program_outlives_a_restart_of_its_tpm(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm

    software = make_software_tpm("restarted")
    tcti = software.start()
    with Tpm(tcti) as tpm:
        key, mac = tpm.create_device_key(), tpm.create_hmac_key()
        before = mac.mac(b"header")
        software.stop()
        for _ in range(2):
            with pytest.raises(TpmError):
                key.sign(b"while it is away")
        _restarted(software, tcti)
        assert len(key.sign(b"when it is back")) == 64
        assert mac.mac(b"header") == before
        assert tpm.preferred_ek() == "rsa2048"


def test_a_connection_that_was_closed_stays_closed(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm

    software = make_software_tpm("closed")
    tcti = software.start()
    tpm = Tpm(tcti)
    software.stop()
    with pytest.raises(TpmError):
        tpm.preferred_ek()
    with pytest.raises(TpmUnavailableError, match="no TPM at"):
        tpm.preferred_ek()
    tpm.close()
    _restarted(software, tcti)
    with pytest.raises(TpmError, match="is closed"):
        tpm.preferred_ek()
