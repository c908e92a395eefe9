"""Receipts of a run: for each module what was offered, taken, and came of it."""

from collections.abc import Mapping, Sequence

from onboarding.protocol.modules import ModuleResult
from ownership_vouchers import cbor
from ownership_vouchers.errors import VoucherError

MAX_RECEIPTS = 64 * 1024  # bytes of one run's, else output is cut
MAX_FACTS = 16
_MAX_VALUE = 4096
_SHORT = 256
_ELSEWHERE = frozenset({"binding", "content"})  # facts that are kept apart
_OUTPUTS = ("stdout", "stderr")


def encode(
    plan: str, results: Sequence[ModuleResult], stopped: str = "", error: str = ""
) -> bytes:
    """Return a run's receipts as they are stored.

    Args:
        plan: Which one was run; empty for none.
        stopped: Where a run ended that did not end well, and ``error`` why.
    """
    for limit in (_MAX_VALUE, _SHORT):
        items = [_receipt(one, limit) for one in results]
        encoded = cbor.encode([plan, stopped, error[:2000], items])
        if len(encoded) <= MAX_RECEIPTS:
            break
    return encoded


def contents(results: Sequence[ModuleResult]) -> dict[int, bytes]:
    """Return the files that came, by their place among the modules."""
    found = ((at, one.facts.get("content")) for at, one in enumerate(results))
    return {at: content for at, content in found if isinstance(content, bytes)}


def shown(receipts: bytes) -> dict[str, object]:
    """Return stored receipts for people: bytes of output as text, digests in hex."""
    plan, stopped, error, modules = _opened(receipts)
    return {
        "plan": plan or None,
        "stopped_at": stopped or None,
        "error": error or None,
        "modules": [_shown(at, one) for at, one in enumerate(modules)],
    }


def failures(receipts: bytes) -> tuple[tuple[str, str], ...]:
    """Return name and detail of each module that did not succeed, in order."""
    return tuple(
        (str(one.get("name", "")), str(one.get("detail", "")))
        for one in _opened(receipts)[3]
        if one.get("ok") is not True
    )


def _opened(
    receipts: bytes,
) -> tuple[object, object, object, list[dict[object, object]]]:
    """Plan, where it stopped, why, and the modules; nothing of what is no receipt."""
    try:
        plan, stopped, error, items = cbor.array(cbor.decode(receipts), 4)
        modules = [cbor.mapping(one, limit=16) for one in cbor.array(items)]
    except VoucherError:
        return None, None, None, []
    return plan, stopped, error, modules


def _receipt(result: ModuleResult, limit: int) -> dict[str, object]:
    return {
        "name": result.name,
        "required": result.required,
        "offered": result.offered,
        "accepted": result.accepted,
        "ok": result.ok,
        "detail": result.detail[:limit],
        "facts": _facts(result.facts, limit),
        "file": "content" in result.facts,
    }


def _facts(facts: Mapping[str, object], limit: int) -> dict[str, object]:
    """Keep what is short and flat; of output its end."""
    kept: dict[str, object] = {}
    for name, value in facts.items():
        if name in _ELSEWHERE or len(kept) >= MAX_FACTS:
            continue
        if isinstance(value, bytes | str):
            value = value[-limit:] if name in _OUTPUTS else value[:_MAX_VALUE]
        elif isinstance(value, list):
            value = [one for one in value[:64] if isinstance(one, str)]
        elif not isinstance(value, int):
            continue
        kept[name] = value
    return kept


def _shown(position: int, receipt: Mapping[object, object]) -> dict[str, object]:
    facts = cbor.mapping(receipt.get("facts", {}), limit=MAX_FACTS)
    return {
        "position": position,
        **{
            name: receipt.get(name)
            for name in ("name", "required", "offered", "accepted", "ok", "detail")
        },
        "error": None if receipt.get("ok") else receipt.get("detail"),
        "file": receipt.get("file") is True,
        **{str(name): _text(str(name), value) for name, value in facts.items()},
    }


def _text(name: str, value: object) -> object:
    if not isinstance(value, bytes):
        return value
    return value.decode("utf-8", "replace") if name in _OUTPUTS else value.hex()
