"""An import that answers voucher by voucher, while its file is still on its way."""

import json
from collections import Counter
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from attestation.passport import Passport, issue
from onboarding.services.api.voucher_import import LINES
from onboarding.services.passport_pem import dump
from onboarding.services.voucher_import import TOGETHER
from onboarding.store.apikeys import Role
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.pem import load_vouchers
from tests.support.api_bench import Api
from tests.support.sold_vouchers import sold_to
from tests.support.upload import Upload, lines

pytest_plugins = ["tests.support.service_fixtures"]


KEY = ec.generate_private_key(ec.SECP256R1())


def passport_of(pem: str) -> Passport:
    (voucher,) = load_vouchers(pem.encode())
    return Passport(voucher.guid, bytes(32), "SN-9", "generic-sbc-tpm", bytes(32), 1)


def begun(api: Api) -> Upload:
    return Upload(api.service.url, api.keys[Role.OPERATOR])


def sent(api: Api, text: str) -> tuple[int, list[dict[str, Any]]]:
    """Send all of a file; return the status, and each line of the answer."""
    with begun(api) as upload:
        upload.send(text)
        upload.end()
        with upload.answer() as answer:
            return answer.status, [json.loads(line) for line in answer]


def test_results_come_before_the_file_has_ended(api: Api) -> None:
    vouchers = sold_to(api.site, TOGETHER + 2)
    with begun(api) as upload:
        upload.send("".join(vouchers[:-1]))
        with upload.answer() as answer:
            assert (answer.status, answer.headers["content-type"]) == (200, LINES)
            first = lines(answer, TOGETHER)
            assert {one["item"]["status"] for one in first} == {"imported"}
            upload.send(vouchers[-1] + vouchers[0])
            upload.end()
            *rest, last = map(json.loads, answer)
    told = [one["item"] for one in [*first, *rest]]
    assert [one["index"] for one in told] == list(range(TOGETHER + 3))
    said = Counter(one["status"] for one in told)
    assert said == Counter(imported=TOGETHER + 2, unchanged=1)
    assert last["counts"] == {"extended": 0, "refused": 0, **said}


def test_a_file_that_breaks_off_says_so_behind_what_was_done(api: Api) -> None:
    *others, good, broken = sold_to(api.site, TOGETHER + 2)
    status, (problem,) = sent(api, good + broken[:-40])
    assert (status, problem["code"]) == (422, "malformed")
    status, told = sent(api, "".join(others) + good + broken[:-40])
    assert [one["item"]["status"] for one in told[:-1]] == ["imported"] * TOGETHER
    assert (status, told[-1]["problem"]["code"]) == (200, "malformed")


def test_a_passport_far_from_its_voucher_is_refused_aloud(api: Api) -> None:
    one, *others = sold_to(api.site, TOGETHER + 1)
    far = dump(issue(passport_of(one), SoftSigner(KEY)))
    reply = api.call("POST", "/vouchers", content=one + "".join(others) + far)
    assert reply.status_code == 200, reply.text
    assert reply.json()["imported"] == TOGETHER + 1
    codes = [one["code"] for one in reply.json()["results"]]
    assert codes == [None] * TOGETHER + ["passport_late", None]
