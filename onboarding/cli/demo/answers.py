"""Reading what services answer: strict, so that a changed answer is noticed."""

from collections.abc import Mapping

from onboarding.cli.demo.timeline import StepFailed

Json = Mapping[str, object]


def fields(value: object) -> Json:
    """Return ``value`` if it is an object."""
    if not isinstance(value, dict):
        raise StepFailed("a service answered with something that is no object")
    return value


def text(value: object, name: str) -> str:
    """Return a text field."""
    found = fields(value).get(name)
    if not isinstance(found, str):
        raise StepFailed(f"a service's answer has no text {name!r}")
    return found


def items(value: object, name: str = "items") -> list[Json]:
    """Return a list of objects."""
    found = fields(value).get(name)
    if not isinstance(found, list):
        raise StepFailed(f"a service's answer has no list {name!r}")
    return [fields(one) for one in found]
