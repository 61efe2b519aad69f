"""File descriptors: enough for every connection and for the server's own files, or no start."""

from __future__ import annotations

import resource

from slipway.errors import Refused

# Spool, log, model, stores, keys, and what threads open for a moment.
RESERVE = 128


def reserve(connections: int) -> None:
    """Raise this process's limit so that `connections` and the server's own files fit.

    Raises:
        Refused: the limit may not be raised that far.
    """
    wanted = connections + RESERVE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        raise Refused(
            "the limit of open files is too low for SLIPWAY_MAX_CONNECTIONS",
            expected=f"at least {wanted}: {connections} connections and {RESERVE} for the server itself",
            found=f"a hard limit of {hard} (`ulimit -Hn`)",
            hint=f"raise it, or set SLIPWAY_MAX_CONNECTIONS={max(hard - RESERVE, 1)} or less",
        ) from None
