import re
from pathlib import Path

import pytest

from ownership_vouchers.errors import Check
from ownership_vouchers.keys import KeyEncoding
from ownership_vouchers.pem import dump_pem, load_vouchers
from ownership_vouchers.verify import verify
from tests.support.supply_chain import Party, SupplyChain

README = Path(__file__).parents[3] / "ownership-vouchers/README.md"
TEXT = README.read_text()


def test_what_the_readme_shows_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = SupplyChain().make_device().sell_to("owner")
    buyer = Party.found("buyer", "P-256", KeyEncoding.X509)
    monkeypatch.chdir(tmp_path)
    Path("device.pem").write_text(dump_pem(chain.voucher))
    known = {
        "our_key": chain.owner.public_key,
        "our_signer": chain.owner.signer,
        "buyers_public_key": buyer.private_key.public_key(),
    }
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile("\n".join(blocks), "README.md", "exec"), known)  # noqa: S102 - our own text
    assert "header_hmac: not made with" in capsys.readouterr().out
    [sold] = load_vouchers(Path("sold.pem").read_bytes())
    assert verify(sold).voucher.owner_key.same_key(buyer.public_key)


@pytest.mark.parametrize("check", Check)
def test_the_readme_lists_every_check(check: Check) -> None:
    assert f"| `{check.value}` |" in TEXT
