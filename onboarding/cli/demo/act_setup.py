"""Before the story: everything starts, and each party says what it wants."""

import base64
from pathlib import PurePosixPath

from hw.boot import golden_pcrs
from hw.profiles import BoardProfile
from onboarding.cli.demo.services import HOST
from onboarding.cli.demo.stage import Stage, together
from onboarding.cli.demo.timeline import Timeline
from onboarding.cli.demo.workloads import MANIFEST, POD, QUADLET
from onboarding.services.key_store import KeyKind
from onboarding.store.apikeys import Role

# A board's appraisal holds for the whole demonstration; a server's runs out in it.
LEASES = {"sbc": 600, "server": 8}


def play(stage: Stage, timeline: Timeline) -> None:
    """Start all processes, then set each service up through its own API."""
    timeline.act("Set-up")
    with timeline.step("Three services, Keylime and three TPMs start") as claim:
        with timeline.waiting("starting eight processes and making three TPMs …"):
            stage.raise_curtain()
        claim.detail = "; ".join(
            [f"{one.role} {one.url}" for one in stage.services]
            + [f"verifier {stage.keylime.client_settings().verifier_url}"]
        )
    with timeline.step("Each party sets its service up") as claim:
        together(
            lambda: _manufacturer(stage),
            lambda: _rendezvous(stage),
            lambda: _owner(stage),
        )
        claim.detail = (
            "rendezvous address, trusted manufacturer, EK authority, PCR policies from"
            f" the reference boot, manifest {MANIFEST} with"
            f" {QUADLET.path} and {POD.path}"
        )


def policy_of(profile: BoardProfile) -> str:
    """The name of the attestation policy of a kind of board."""
    return f"{profile.name}-boot"


def _manufacturer(stage: Stage) -> None:
    port = stage.rendezvous.port
    directive = {
        "ip": HOST,
        "device_port": port,
        "owner_port": port,
        "protocol": "http",
    }
    api = stage.api(stage.manufacturing, Role.MANUFACTURER)
    api.json("PUT", "rvinfo", {"directives": [directive]})


def _rendezvous(stage: Stage) -> None:
    """Trust this manufacturer's vouchers and no other's."""
    maker = stage.manufacturing.key(KeyKind.MANUFACTURER)
    authority = stage.manufacturing.key(KeyKind.DEVICE_CA)
    trust = {
        "manufacturers": [maker.fingerprint],
        "device_cas_pem": authority.certificate_pem,
    }
    stage.api(stage.rendezvous, Role.SECURITY).json("PUT", "trust", trust)
    stage.api(stage.owner, Role.SECURITY).json("PUT", "trust", trust)


def _owner(stage: Stage) -> None:
    operator = stage.api(stage.owner, Role.OPERATOR)
    security = stage.api(stage.owner, Role.SECURITY)
    address = {"ip": HOST, "dns": None, "port": stage.owner.port, "protocol": "http"}
    operator.json("PUT", "to2-address", {"addresses": [address]})
    security.request("POST", "ek-roots", stage.ek_roots(), "application/x-pem-file")
    for device in stage.devices:
        security.json("POST", "policies", _policy(device.profile))
    files = [
        {"path": str(PurePosixPath(one.path)), "content": _text(one.content)}
        for one in (QUADLET, POD)
    ]
    manifest = {"name": MANIFEST, "version": 1, "kind": "quadlet", "files": files}
    operator.json("POST", "manifests", manifest)


def _policy(profile: BoardProfile) -> dict[str, object]:
    """What this kind of board must measure: computed, never read off a device."""
    golden = golden_pcrs(profile)
    return {
        "kind": "attestation",
        "name": policy_of(profile),
        "version": 1,
        "bank": "sha256",
        "pcrs": {str(pcr): [value] for pcr, value in golden.items()},
        "lease_seconds": LEASES[profile.kind],
    }


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
