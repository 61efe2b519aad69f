"""Where threads allocate, as the GNU C library decides it.

Source: mallopt(3), M_ARENA_MAX
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

M_ARENA_MAX = -8
ONE, AS_MANY_AS_USUAL = 1, 0


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Let threads that begin inside share the main heap: one of their own would be kept for good.

    Threads that begin outside have their own, and do not wait for each other. Another C library
    has no such heaps, and nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)
    mallopt(M_ARENA_MAX, ONE)
    try:
        yield
    finally:
        mallopt(M_ARENA_MAX, AS_MANY_AS_USUAL)
