"""Reading our own JSON back: exact keys, exact types, one error."""

from collections.abc import Collection, Mapping

from attestation.errors import PolicyError

MAX_ITEMS = 1024


def unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """For ``json.loads(object_pairs_hook=)``: refuse a member that stands twice.

    Two readers may take different ones of the two. Raises ValueError.
    """
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member of a JSON object stands twice")
    return members


class JsonObject:
    """A JSON object with exactly the keys expected; each getter checks one type.

    Keys named ``optional`` may be absent, which is as if they were null.
    """

    __slots__ = ("_fields", "_what")

    def __init__(
        self,
        document: object,
        keys: Collection[str],
        what: str,
        optional: Collection[str] = (),
    ) -> None:
        """Raises PolicyError unless ``document`` is an object with just ``keys``."""
        if not isinstance(document, Mapping) or set(document) - set(optional) != set(
            keys
        ):
            raise PolicyError(f"{what} is an object of {', '.join(keys)}")
        self._fields: Mapping[str, object] = {**dict.fromkeys(optional), **document}
        self._what = what

    def _bad(self, key: str, wanted: str) -> PolicyError:
        return PolicyError(f"{self._what}.{key} is not {wanted}")

    def raw(self, key: str) -> object:
        return self._fields[key]

    def known(self, key: str) -> bool:
        """Whether the value is anything but null."""
        return self._fields[key] is not None

    def text(self, key: str) -> str:
        value = self._fields[key]
        if not isinstance(value, str):
            raise self._bad(key, "a text")
        return value

    def integer(self, key: str) -> int:
        value = self._fields[key]
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._bad(key, "an integer")
        return value

    def optional_integer(self, key: str) -> int | None:
        return None if self._fields[key] is None else self.integer(key)

    def boolean(self, key: str) -> bool:
        value = self._fields[key]
        if not isinstance(value, bool):
            raise self._bad(key, "true or false")
        return value

    def items(self, key: str) -> list[object]:
        value = self._fields[key]
        if not isinstance(value, list | tuple) or len(value) > MAX_ITEMS:
            raise self._bad(key, f"an array of at most {MAX_ITEMS}")
        return list(value)

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self._text(key, item) for item in self.items(key))

    def _text(self, key: str, item: object) -> str:
        if not isinstance(item, str):
            raise self._bad(key, "an array of texts")
        return item

    def mapping(self, key: str) -> dict[str, object]:
        value = self._fields[key]
        if not isinstance(value, Mapping) or len(value) > MAX_ITEMS:
            raise self._bad(key, f"an object of at most {MAX_ITEMS} keys")
        return {self._text(key, name): item for name, item in value.items()}

    def text_lists(self, key: str) -> dict[str, tuple[str, ...]]:
        """An object whose every value is an array of texts."""
        pairs = self.mapping(key)
        return {name: JsonObject(pairs, pairs, key).texts(name) for name in pairs}

    def text_map(self, key: str) -> dict[str, str]:
        """An object whose every value is a text."""
        return {n: self._text(key, item) for n, item in self.mapping(key).items()}
