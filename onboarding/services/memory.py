"""What keeps a service small."""

import ctypes

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h of glibc
_LARGE = 64 * 1024  # bytes
_ARENAS = 1


def spare_memory() -> bool:
    """Have malloc give back what it can; call it before threads start.

    Threads share one arena: each keeps what was freed in it for itself, and glibc makes
    eight for each core, with the threads of TO0 a tenth of what an owner service takes.
    What is large, as the body of an import, goes back to the system when it is freed;
    else the first of that size has all later ones come into the arena.

    Returns:
        Whether the C library can be told so; others have no arenas.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    large = mallopt(_M_MMAP_THRESHOLD, _LARGE)
    return bool(large and mallopt(_M_ARENA_MAX, _ARENAS))
