"""A Keylime agent for the pull protocol: what a verifier calls.

It does what the stock agent does where the verifier looks: TLS with a pinned
certificate, the verifier's own asked for, and quotes that take in PCR 16, into which
the key of that certificate was extended. Source: Keylime 7.14.3, agent API 2.2, as
observed.
"""

import base64
import json
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from attestation.keylime.answers import base64_text
from attestation.keylime.credential_blob import CredentialBlob, auth_tag
from hw.evidence import Quote
from tests.support.attester import Attester

HOST, API, DATA_PCR = "127.0.0.1", "2.2", 16


class QuoteServer(ABC):
    """Serves quotes until closed.

    ``certificate`` is what verifiers pin, ``public`` its key: PCR 16 has to hold that.
    ``ran`` are the lines of the IMA list, ``booted`` is the log of the boot.
    """

    ran: Sequence[bytes] = ()
    booted: bytes = b""

    def __init__(self, client_ca: Path, directory: Path) -> None:
        key = rsa.generate_private_key(65537, 2048)
        self.certificate = _certificate(key)
        self.public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        files = directory / "agent.crt", directory / "agent.key"
        files[0].write_text(self.certificate)
        files[1].write_bytes(_private(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @abstractmethod
    def quote(self, nonce: bytes, pcrs: Sequence[int]) -> Quote:
        """Quote those PCRs of the bank sha256."""

    def answer(self, path: str) -> dict[str, Any] | None:
        """What a GET of the verifier's is answered with."""
        asked = urlsplit(path)
        if asked.path == "/version":
            return {"supported_version": API}
        if asked.path != f"/v{API}/quotes/integrity":
            return None
        query = {name: one[0] for name, one in parse_qs(asked.query).items()}
        mask = int(query["mask"], 16)
        pcrs = sorted({*(n for n in range(24) if mask >> n & 1), DATA_PCR})
        quote = self.quote(query["nonce"].encode(), pcrs)
        parts = (quote.message, quote.signature, quote.pcr_blob)
        found: dict[str, Any] = {
            "quote": "r" + ":".join(map(base64_text, parts)),
            "hash_alg": "sha256",
            "enc_alg": "rsa",
            "sign_alg": "rsassa",
            "boottime": 0,
        }
        if self.ran:
            first = int(query.get("ima_ml_entry", "0"))
            found["ima_measurement_list"] = b"".join(self.ran[first:]).decode()
            found["ima_measurement_list_entry"] = first
        if self.booted and mask & 1:  # as the stock agent does
            found["mb_measurement_list"] = base64_text(self.booted)
        if query.get("partial", "0") == "0":
            found["pubkey"] = self.public.decode()
        return found


class PullAgent(QuoteServer):
    """The agent of a real TPM."""

    def __init__(self, attester: Attester, client_ca: Path, directory: Path) -> None:
        super().__init__(client_ca, directory)
        self._attester = attester
        self.lock = threading.Lock()  # one TPM, several threads
        attester.tpm.extend(DATA_PCR, self.public)

    def quote(self, nonce: bytes, pcrs: Sequence[int]) -> Quote:
        with self.lock:
            return self._attester.tpm.quote(self._attester.ak, nonce, "sha256", pcrs)

    def register(self, registrar: str, agent: str) -> None:
        """Tell the registrar of the TPM's keys, and where the agent is called."""
        tpm, ak = self._attester.tpm, self._attester.ak
        with self.lock:
            ek = tpm.endorsement_key()
        body = {
            "ekcert": base64_text(ek.certificate) if ek.certificate else None,
            "ek_tpm": base64_text(ek.public),
            "aik_tpm": base64_text(ak.public),
            "ip": HOST,
            "port": self.port,
            "mtls_cert": self.certificate,
        }
        url = f"{registrar}/v2.6/agents/{agent}"
        with httpx.Client(trust_env=False, timeout=30) as http:
            reply = http.post(url, json=body)
            assert reply.status_code == 200, reply.text
            blob = CredentialBlob.parse(
                base64.b64decode(reply.json()["results"]["blob"])
            )
            with self.lock:
                secret = tpm.activate_credential(
                    ak, blob.id_object, blob.encrypted_secret
                )
            tag = {"auth_tag": auth_tag(secret, agent)}
            reply = http.put(f"{url}/activate", json=tag)
            assert reply.status_code == 200, reply.text


def _handler(agent: QuoteServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            results = agent.answer(self.path)
            code = 404 if results is None else 200
            body = {"code": code, "status": "Success", "results": results or {}}
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Tests look at what came of it."""

    return Handler


def _certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST pull agent")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address(HOST))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _private(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
