"""What a device tells the person in front of it, while it works and when asked."""

from datetime import UTC, datetime

from onboarding.cli.output import console, plain
from onboarding.device.credential import Identity
from onboarding.device.progress import Progress, Story


def tell_progress(progress: Progress) -> None:
    """Print one line of onboarding as it happens."""
    line = f"[bold]{progress.kind.value:<10}[/] {plain(progress.sentence)}"
    console().print(line, soft_wrap=True)


def binding_told(verdict: tuple[bool, str, str] | None) -> str:
    """What the owner said of the device's TPM; of a refusal the code tells more."""
    if verdict is None:
        return "not asked for"
    bound, kind, code = verdict
    return kind if bound else f"refused: {code}"


def pending_guid(identity: Identity) -> str | None:
    """The GUID that TO2 was about to give when it was cut off."""
    pending = identity.pending
    return None if pending is None else str(pending.credential.guid)


def story_told(story: Story | None) -> dict[str, object] | None:
    """How far onboarding has come, for ``status``."""
    if story is None:
        return None
    return {
        "state": story.state,
        "trying": story.trying or None,
        "next_try": None if story.next_at is None else _when(story.next_at),
        "failed": [
            {"at": _when(at), "where": where, "why": why}
            for where, why, at in story.failures
        ],
        "notes": [{"where": where, "what": what} for where, what in story.notes],
    }


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
