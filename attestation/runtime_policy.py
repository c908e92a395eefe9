"""What IMA may measure, in Keylime's own form: read as far as our trust needs it.

Keylime judges by it. It passes everything under a policy that it takes for an empty
one, or whose exclusions match every name: neither is ever handed to it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping

from attestation.errors import PolicyError
from attestation.json_read import unique_members

MAX_RUNTIME_POLICY = 8 * 1024 * 1024  # bytes
_LEAST_GENERATOR = 2  # Keylime ignores a policy of another origin
_MAX_EXCLUDES = 256
# Names that stand for anything: an exclusion that matches these matches all.
_PROBES = ("/usr/bin/x7f3", "/opt/q/9c2e", "/var/a/.b")


def read_runtime_policy(body: bytes) -> str:
    """Check one, and return its SHA-256 in hexadecimal: the name policies use.

    Raises:
        PolicyError: It is no runtime policy, or one under which nothing is judged.
    """
    if not 0 < len(body) <= MAX_RUNTIME_POLICY:
        raise PolicyError(f"a runtime policy has 1 to {MAX_RUNTIME_POLICY} bytes")
    try:
        document = json.loads(body, object_pairs_hook=unique_members)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"the runtime policy is no JSON: {error}") from error
    match document:
        case {"meta": {"generator": int(made)}, "digests": dict(digests)} if digests:
            if made < _LEAST_GENERATOR:
                raise PolicyError("the runtime policy's generator is 2 or more")
        case _:
            raise PolicyError("a runtime policy has meta.generator and some digests")
    _check_excludes(document.get("excludes", []))
    return hashlib.sha256(body).hexdigest()


def _check_excludes(excludes: object) -> None:
    if not isinstance(excludes, list) or len(excludes) > _MAX_EXCLUDES:
        raise PolicyError(f"a runtime policy excludes {_MAX_EXCLUDES} patterns at most")
    for one in excludes:
        try:
            pattern = re.compile(one)
        except (re.error, TypeError) as error:
            raise PolicyError(f"{one!r} is no pattern: {error}") from error
        if all(pattern.match(probe) for probe in _PROBES):
            raise PolicyError(f"excluding {one!r} would leave nothing to judge")


def excluded(policy: Mapping[str, object]) -> Callable[[str], bool]:
    """Which names a policy that was checked leaves out, as Keylime reads it."""
    patterns = policy.get("excludes", [])
    if not isinstance(patterns, list):
        return lambda _name: False
    read = [re.compile(one) for one in patterns]
    return lambda name: any(one.match(name) for one in read)
