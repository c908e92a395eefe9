"""What an owner's rendezvous service knows of a device, asked while somebody waits.

So it is asked for a short time only, and whatever goes wrong is a sentence, never an
error: what the owner knows by itself is told in any case.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from onboarding.http_client import client, pieces, within
from onboarding.services.diagnosis.joining import GUIDS_ASKED, asked_at, is_diagnosis
from onboarding.services.errors import ServicesError, SettingsError
from onboarding.services.oidc import safe_url
from onboarding.services.settings import Settings, read_secret
from onboarding.tls import PUBLIC, Trust, TrustError, context_of
from ownership_vouchers.types import Guid

SECONDS = 3.0  # for all of it
ANSWER_LIMIT = 4 * 1024 * 1024  # bytes; twenty runs with all their messages


class NoAnswer(ServicesError):
    """It cannot be asked just now, or not by us: says why."""


@dataclass(frozen=True, slots=True)
class RendezvousService:
    """One service of ours, open for as long as this one runs; safe in any thread."""

    url: str
    _http: httpx.Client = field(repr=False)

    @classmethod
    def open(cls, settings: Settings) -> Self | None:
        """Return it, None where none is named.

        Raises:
            SettingsError: Its key or its authorities cannot be read, or the key would
                cross a network in clear.
        """
        url, key_file = settings.rendezvous_url, settings.rendezvous_api_key_file
        if url is None or key_file is None:
            return None
        if not safe_url(url):
            raise SettingsError(
                "VOUCHGATE_RENDEZVOUS_URL is https://, or http:// on loopback"
            )
        trust = PUBLIC
        if settings.rendezvous_ca is not None:
            trust = Trust(read_secret(settings.rendezvous_ca))
        try:
            verify = context_of(trust)
        except TrustError as error:
            raise SettingsError(f"VOUCHGATE_RENDEZVOUS_CA: {error}") from error
        key = read_secret(key_file).decode("ascii", "replace")
        http = client(verify)
        http.headers["X-API-Key"] = key
        return cls(url.rstrip("/"), http)

    def close(self) -> None:
        """Close kept connections."""
        self._http.close()

    def told(self, guids: Sequence[bytes]) -> Mapping[str, Any]:
        """Return its diagnosis of a device, by the GUID under which it came there.

        Args:
            guids: All that the device has or had, the likeliest first.

        Raises:
            NoAnswer: None came in time, or none that can be read.
        """
        end = time.monotonic() + SECONDS
        names = [str(Guid(one)) for one in guids[:GUIDS_ASKED]]
        return asked_at(names, lambda guid: self._ask(guid, end))

    def _ask(self, guid: str, end: float) -> Mapping[str, Any]:
        left = max(end - time.monotonic(), 0.001)
        url, query = f"{self.url}/api/v1/diagnosis", {"guid": guid}
        try:
            with (
                within(left),
                self._http.stream("GET", url, params=query, timeout=left) as answer,
            ):
                body = self._read(answer)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"it does not answer: {type(error).__name__}") from error
        if answer.status_code in (401, 403):
            raise NoAnswer(
                "it does not take the key of VOUCHGATE_RENDEZVOUS_API_KEY_FILE"
            )
        try:
            found = json.loads(body) if answer.status_code == 200 else None
        except (ValueError, RecursionError) as error:
            raise NoAnswer("its answer is no JSON") from error
        if not is_diagnosis(found):
            raise NoAnswer(
                f"it answers {answer.status_code} and no diagnosis: is it a Vouchgate"
                " service?"
            )
        checked: Mapping[str, Any] = found
        return checked

    @staticmethod
    def _read(answer: httpx.Response) -> bytes:
        body = bytearray()
        for part in pieces(answer):
            body += part
            if len(body) > ANSWER_LIMIT:
                raise NoAnswer(f"it says more than {ANSWER_LIMIT} bytes")
        return bytes(body)
