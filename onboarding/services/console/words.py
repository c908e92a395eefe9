"""How values are written for people: times, names, and what strangers sent.

Devices choose some of the text that a page shows. The template engine escapes all of
it; here what no markup is needed for is made visible: control characters, and those
that turn the direction of text around.
"""

from datetime import UTC, datetime

from markupsafe import Markup, escape

from onboarding.services.diagnosis.words import ago as ago_words

_LAYOUT = frozenset("\n\t")
_MAX_SECONDS = 253_402_300_799  # the last second of the year 9999

STATES: dict[str, tuple[str, str]] = {
    # state -> tone, and what it says in a sentence
    "imported": ("idle", "Its voucher is here; no rendezvous server knows it."),
    "registered": ("idle", "A rendezvous server will send it here."),
    "owned": ("idle", "Ours, but not bound to a TPM: the weaker class."),
    "bound": ("idle", "Bound to its TPM; not expected to attest yet."),
    "attesting": ("idle", "Expected to attest; nothing came yet."),
    "attested": ("good", "Freshly attested; nothing was released to it yet."),
    "released": ("good", "Freshly attested, and runs what was released to it."),
    "stale": ("warn", "Its last good appraisal is too old."),
    "failed": ("bad", "Its last appraisal failed."),
    "withdrawn": ("warn", "Its workload was taken back."),
    "retired": ("idle", "Sold or scrapped."),
}


def visible(value: object) -> object:
    """What stands where a template puts a value: strings without tricks."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(
        one if one.isprintable() or one in _LAYOUT else _escaped(one) for one in value
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()


def coded(said: str) -> Markup:
    """A sentence with its commands, which stand in backquotes, shown as such."""
    parts = str(visible(said)).split("`")
    if len(parts) % 2 == 0:  # one is not closed: all of it is words
        return escape(visible(said))
    shown = (
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )
    return Markup("").join(shown)


def moment(seconds: int | None) -> Markup:
    """A time as people and programs read it, UTC; a dash for none."""
    if seconds is None:
        return Markup('<span class="none">—</span>')
    if not 0 <= seconds <= _MAX_SECONDS:
        return Markup("<span>second {}</span>").format(seconds)
    at = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.strftime("%Y-%m-%d %H:%M:%S")
    )


def ago(seconds: int | None, now: int) -> str:
    """How long ago, or in how long; both in one unit."""
    if seconds is None:
        return "never"
    if seconds > now:
        return f"in {span(seconds - now)}"
    return ago_words(now - seconds)


def span(seconds: int) -> str:
    """A length of time in one unit."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def short(text: str | None, size: int = 12) -> str:
    """The beginning of a digest or key."""
    if not text:
        return "—"
    return text if len(text) <= size else f"{text[:size]}…"


def detail(value: object, name: str = "") -> object:
    """One value of an event's detail: lists and maps in a line, times as times."""
    match value:
        case dict():
            return ", ".join(f"{key}={one}" for key, one in value.items()) or "none"
        case list():
            return "; ".join(str(one) for one in value)
        case int() if name == "until" or name.endswith("_at"):
            return moment(value)
        case _:
            return value


def tone(state: str) -> str:
    """How much a state is to worry about: good, idle, warn or bad."""
    return STATES.get(state, ("idle", ""))[0]


def meaning(state: str) -> str:
    """A state in a sentence."""
    return STATES.get(state, ("", ""))[1]


def amount(size: int) -> str:
    """Bytes, in the unit that leaves up to four digits."""
    rest, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if rest < 1024:
            break
        rest, unit = rest / 1024, larger
    return f"{rest:.4g} {unit}"


def size_of(count: int) -> str:
    """A number with its thousands set apart."""
    return f"{count:,}"
