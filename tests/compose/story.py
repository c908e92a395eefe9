"""The demonstration's way against the containers, through what they publish."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import httpx

from hw.boot import golden_pcrs
from hw.profiles import profile
from onboarding.cli.api import Api
from onboarding.cli.demo.answers import Json, fields, items, text
from onboarding.cli.demo.workloads import MANIFEST, QUADLET
from onboarding.store.apikeys import Role
from tests.compose.project import Project
from tests.compose.run import RunFailed, together

BOARD = "generic-sbc-tpm"  # what compose.yaml's device is
SERIAL = "compose-1"
POLICY = "compose-boot"
PEM = "application/x-pem-file"
PATIENCE = 300.0  # seconds; only how long until a device that stands still is told
HOLDERS = {
    "manufacturing": (Role.MANUFACTURER,),
    "rendezvous": (Role.SECURITY,),
    "owner": (Role.OPERATOR, Role.SECURITY),
}


@dataclass(slots=True)
class Story:
    """Who holds which API key, and which device it is about."""

    project: Project
    client: httpx.Client
    tokens: dict[tuple[str, Role], str] = field(default_factory=dict, repr=False)
    urls: dict[str, str] = field(default_factory=dict)  # until it goes down
    guid: str = ""

    def make_api_keys(self) -> None:
        together(
            *(
                partial(self._make_api_key, service, role)
                for service, roles in HOLDERS.items()
                for role in roles
            )
        )

    def _make_api_key(self, service: str, role: Role) -> None:
        asked = ("apikey", "new", "--role", role.value, "--name", "e2e")
        said = self.project.exec(service, "vouchgate", *asked, "--json")
        self.tokens[service, role] = text(json.loads(said), "key")

    def api(self, service: str, role: Role) -> Api:
        if service not in self.urls:
            self.urls[service] = self.project.url(service)
        return Api(self.urls[service], self.tokens[service, role], self.client)

    def set_up(self) -> None:
        """Each party says where it is and whom it trusts."""
        rendezvous = {"dns": "rendezvous", "device_port": 8080, "owner_port": 8080}
        made = self.api("manufacturing", Role.MANUFACTURER)
        made.json("PUT", "rvinfo", {"directives": [{**rendezvous, "protocol": "http"}]})
        trust = {
            "manufacturers": [self._fingerprint()],
            "device_cas_pem": made.request("GET", "device-ca").body.decode(),
        }
        self.api("rendezvous", Role.SECURITY).json("PUT", "trust", trust)
        self.api("owner", Role.SECURITY).json("PUT", "trust", trust)
        address = {"dns": "owner", "port": 8080, "protocol": "http"}
        operator = self.api("owner", Role.OPERATOR)
        operator.json("PUT", "to2-address", {"addresses": [address]})
        content = base64.urlsafe_b64encode(QUADLET.content).rstrip(b"=").decode()
        files = [{"path": str(QUADLET.path), "content": content}]
        manifest = {"name": MANIFEST, "version": 1, "kind": "quadlet", "files": files}
        operator.json("POST", "manifests", manifest)

    def make_policies(self) -> None:
        """What a good boot measures, computed; and the EK authority of its TPM."""
        pcrs = {str(n): [v] for n, v in golden_pcrs(profile(BOARD)).items()}
        policy = {"kind": "attestation", "name": POLICY, "version": 1, "pcrs": pcrs}
        security = self.api("owner", Role.SECURITY)
        security.json("POST", "policies", {**policy, "lease_seconds": 900})
        names = ("ek-ca/issuercert.pem", "ek-ca/swtpm-localca-rootca-cert.pem")
        roots = self.project.exec("device", "cat", *names)
        security.request("POST", "ek-roots", roots.encode(), PEM)

    def sell(self) -> None:
        """DI is the device's own doing; its voucher is extended, and imported."""
        made = self.api("manufacturing", Role.MANUFACTURER)
        until("the device's voucher", lambda: items(self._vouchers(made)))
        (voucher,) = items(self._vouchers(made))
        self.guid = text(voucher, "guid")
        buyer = self.project.exec("owner", "vouchgate", "keys", "show", "owner")
        path = f"vouchers/{self.guid}"
        made.json("POST", f"{path}/extend", {"next_owner_pem": buyer})
        pem = made.request("GET", f"{path}/pem").body
        operator = self.api("owner", Role.OPERATOR)
        report = operator.read(operator.request("POST", "vouchers", pem, PEM))
        if [text(one, "status") for one in items(report, "results")] != ["imported"]:
            raise RunFailed(f"the owner's answer to the voucher is {report}")

    def assign(self) -> None:
        operator = self.api("owner", Role.OPERATOR)
        path = f"devices/{self.guid}"
        operator.json("PUT", f"{path}/policy", {"policy": POLICY, "version": None})
        operator.json("PUT", f"{path}/assignment", {"manifest": MANIFEST, "version": 1})
        operator.json("POST", f"to0/{self.guid}")

    def wait_for_release(self) -> None:
        until("the release", lambda: text(self.device(), "state") == "released")
        binding = fields(self.device().get("binding"))
        found = text(binding, "class"), text(binding, "ek_class")
        if found != ("tpm-bound", "vendor-trusted"):
            raise RunFailed(f"binding {found[0]}, EK {found[1]}")
        self.newest_appraisal()
        where = f"state/workload/{MANIFEST}"
        applied = self.project.exec(
            "device", "find", "-L", where, "-name", str(QUADLET.path)
        )
        if not applied.strip():
            raise RunFailed("the device has not applied its manifest")

    def wait_for_another_appraisal(self) -> None:
        """One that is made from now on, by the verifier that runs now."""
        before = text(self.newest_appraisal(), "id")
        until(
            "another appraisal",
            lambda: text(self.newest_appraisal(), "id") != before,
        )

    def device(self) -> Json:
        api = self.api("owner", Role.OPERATOR)
        return fields(api.json("GET", f"devices/{self.guid}"))

    def newest_appraisal(self) -> Json:
        """It must have passed, on every PCR of the policy."""
        api = self.api("owner", Role.SECURITY)
        found = items(api.json("GET", f"devices/{self.guid}/appraisals?limit=1"))
        wanted = [f"pcr:sha256:{pcr}" for pcr in golden_pcrs(profile(BOARD))]
        compared = found[0].get("compared") if found else None
        if not isinstance(compared, list) or set(compared) != set(wanted):
            raise RunFailed(
                f"the newest appraisal is {found}, and is to be of {wanted}"
            )
        if text(found[0], "verdict") != "passed":
            raise RunFailed(f"the newest appraisal is {found[0]}")
        return found[0]

    def _fingerprint(self) -> str:
        said = self.project.exec("manufacturing", "vouchgate", "keys", "show", "--json")
        (one,) = [
            key
            for key in items(json.loads(said), "keys")
            if text(key, "kind") == "manufacturer"
        ]
        return text(one, "fingerprint")

    @staticmethod
    def _vouchers(made: Api) -> object:
        return made.json("GET", f"vouchers?serial={SERIAL}")


def until(what: str, true: Callable[[], object]) -> None:
    """Return when it is so; raises RunFailed if it does not become so."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise RunFailed(f"no sign of {what} after {PATIENCE:.0f} s")
        time.sleep(0.25)
