"""What Vouchgate's engine says of logs, as JSON.

Run in a process of its own, as Keylime's modules set logging up for all of one.
"""

import base64
import json

from attestation.keylime import boot_engine
from attestation.keylime.boot_reference import BootReference
from hw.log_hashes import SHA256, SHA384
from tests.support.boot_logs import IPL, LogBuilder, recorded_log
from tests.support.booted import (
    BOOT,
    learnt_policy,
    reference,
    with_another_command_line,
)

GOOD = base64.b64encode(recorded_log(BOOT)).decode()
TWO_BANKS = LogBuilder.agile(SHA256, SHA384).event(7, IPL, b"x").build()
TEXT = reference(learnt_policy()).text
QUOTED = set(range(10)) | {14}


def said(
    log: str | None = GOOD,
    bank: str = "sha256",
    text: str | None = None,
    quoted: set[int] = QUOTED,
) -> list[list[str]]:
    """Event ids and messages, of parsing first."""
    _, _, parsed, failure = boot_engine.bootlog_parse(log, bank)
    text = TEXT if text is None else text
    judged = boot_engine.bootlog_evaluate(text, parsed, quoted, "an agent")
    return [
        [event.event_id, json.loads(event.context)["message"]]
        for event in (*failure.events, *judged.events)
    ]


if __name__ == "__main__":
    values = boot_engine.bootlog_parse(GOOD, "sha256")[0]
    found = {
        "the boot": said(),
        "another boot": said(text=reference(with_another_command_line()).text),
        "no log": said(None),
        "no base64": said("!"),
        "no event log": said(base64.b64encode(b"x" * 100).decode()),
        "a long log": said("A" * 3_000_000),
        "another bank": said(base64.b64encode(TWO_BANKS).decode(), "sha384"),
        "a bank without digests": said(bank="sha512"),
        "a PCR that was not quoted": said(quoted=QUOTED - {7}),
        "a reference that lists no boot": said(text=BootReference("sha256", None).text),
        "no reference": said(text="{}"),
        "a reference of Keylime's": said(text='{"has_secureboot": true}'),
        "a reference written otherwise": said(text=TEXT + " "),
    }
    print(json.dumps({"said": found, "values": values}))
