"""Try a model in a process of its own, so that a crafted graph cannot take the server down.

    python -m serving.inference.probe FOLDER

A graph with indices that point nowhere may loop, eat all memory or crash the
runtime. It does so here, and the server, which was not started yet, refuses it.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from slipway import processes
from slipway.errors import Refused, SlipwayError

SECONDS = 60
# Address space on top of what the model's bytes take several times over.
MEMORY_BYTES = 8 << 30
REPLACE = "do not serve it; find out who made this graph, then train and register the model again"


class Trial:
    """A model that is being tried in another process, while this one does something else."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._process = processes.start("serving.inference.probe", folder)

    def wait(self) -> None:
        """Return when the model has given the golden answers.

        Raises:
            BadInput: the model does not open or does not fit its contract.
            Refused: a digest or an answer is wrong, or the process crashed, hung or ate its memory.
        """
        try:
            ended = self._process.wait(self._seconds)
        except processes.NoAnswer:
            raise self._refused(f"no answer within {self._seconds:g} s") from None
        if "thing" in ended.answer():
            raise ended.error(f"the self-test of the model in {self._folder} failed", REPLACE)
        if ended.code:
            raise self._refused(ended.reason())

    def _refused(self, found: str) -> Refused:
        return Refused(
            f"the model in {self._folder} crashed or hung during its self-test",
            expected=f"answers to the rows of golden.json within {self._seconds:g} s",
            found=found,
            hint=REPLACE,
        )


def begin(folder: Path, seconds: float = SECONDS) -> Trial:
    """Begin to load the folder's model in another process and to score the golden rows there."""
    return Trial(folder, seconds)


def main(folder: Path) -> int:
    """Load and ask; return the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Ends by itself if no process waits for it any more.
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    from serving.inference import model

    try:
        model.load(folder)
    except SlipwayError as error:
        return _fail(error)
    except MemoryError:
        return _fail(
            Refused(
                f"the graph in {folder} needs too much memory", expected=f"at most {MEMORY_BYTES} bytes", hint=REPLACE
            )
        )
    return 0


def _fail(error: SlipwayError) -> int:
    print(json.dumps(error.as_json()))
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
