"""go-fdo-client with its credential in a TPM, which we read and do not destroy."""

from pathlib import Path

import pytest

from onboarding.cli.app import run
from onboarding.device.layouts import KeyOrigin, Layout, read_stored
from tests.support.interop.go_client import GoClient
from tests.support.interop.go_peers import GoPeers
from tests.support.interop.services import Trade
from tests.support.swtpm import MakeSoftwareTpm
from tests.support.tpm_device import TpmDevice


@pytest.mark.parametrize("key", ["ec256", "ec384", "rsa2048"])
def test_its_credential_in_a_tpm_is_read_whatever_its_kind_of_key(
    go: GoPeers,
    trade: Trade,
    make_software_tpm: MakeSoftwareTpm,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    key: str,
) -> None:
    from hw.tpm import Tpm

    tcti = make_software_tpm(f"of go with {key}").start()
    with TpmDevice(tcti) as line:
        path = line.tcti.removeprefix("device:")
        device = GoClient.new(go.program("go-fdo-client"), tmp_path, key, path)
        device.initialise(trade.factory.url)
        guid = device.guid()
    with Tpm(tcti) as tpm:
        stored = read_stored(tpm)
    assert stored is not None
    assert (stored.layout, stored.active) == (Layout.GO_CLIENT, True)
    assert (str(stored.guid), stored.version) == (guid, 101)
    assert (stored.device_info, stored.key_origin) == ("go-fdo-client", KeyOrigin.FDO)
    ours = ["device", "di", "--url", trade.factory.url, "--serial", "SN-1"]
    ours += ["--tcti", tcti, "--board", "generic-sbc-tpm"]
    assert run([*ours, "--directory", str(tmp_path / "ours")]) == 1
    assert f"holds a credential already: GUID {guid}" in capsys.readouterr().err
