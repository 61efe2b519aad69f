"""Where the rooms are: beside this package in a checkout, below `slipway/rooms/` in a wheel.

    python -m slipway.room MODULE WORDS…    what `python -m MODULE WORDS…` is in a checkout

In a wheel the rooms' names are nobody else's to meet: only the processes of `slipway` have their folder on the path,
and there before a project's own folders of the same names. `find` is what a client hands to the workers of Dask.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).with_name("rooms")


def find() -> None:
    """Put the rooms of a wheel first on the path of this process; in a checkout they are on it."""
    if FOLDER.is_dir() and str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))


def command(module: str) -> list[str]:
    """Return the options of Python that run a module of ours in a process of its own."""
    return ["-m", "slipway.room", module] if FOLDER.is_dir() else ["-m", module]


def main(words: list[str]) -> None:
    """Run a module of a room as the main one, with these words."""
    find()
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m slipway.room MODULE [WORDS]")
    main(sys.argv[1:])
