"""The entry point of a DVC stage: runs it, and turns its errors into exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from slipway.errors import SlipwayError


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main`; a SlipwayError becomes its text and its exit code."""
    try:
        main()
    except SlipwayError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
