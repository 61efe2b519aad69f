"""Try a model in a process of its own, so that a crafted graph cannot take the server down.

    python -m serving.probe FOLDER

A graph with indices that point nowhere may loop, eat all memory or crash the
runtime. It does so here, and the server, which was not started yet, refuses it.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

from slipway.errors import BadInput, Refused, SlipwayError, Unavailable

SECONDS = 60
# Address space on top of what the model's bytes take several times over.
MEMORY_BYTES = 8 << 30


def check(folder: Path, seconds: float = SECONDS) -> None:
    """Load the folder's model in another process and ask it the golden rows.

    Raises:
        BadInput: the model does not open or does not fit its contract.
        Refused: a digest or an answer is wrong, or the process crashed, hung or ate its memory.
    """
    command = [sys.executable, "-m", "serving.probe", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise _refused(folder, f"no answer within {seconds:g} s") from None
    if done.returncode < 0:
        raise _refused(folder, f"the process died of {signal.Signals(-done.returncode).name}")
    if done.returncode:
        text = done.stderr.strip() or f"exit code {done.returncode}"
        kinds = {kind.exit_code: kind for kind in (BadInput, Refused, Unavailable)}
        raise kinds.get(done.returncode, Refused)(text)


def _refused(folder: Path, found: str) -> Refused:
    return Refused(
        f"the model in {folder} does not survive being asked",
        expected="answers to the rows of golden.json, in a process of its own",
        found=found,
        hint="do not serve it: find out who made this graph",
    )


def main(folder: Path) -> int:
    """Load and ask; return the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from serving import model

    try:
        model.load(folder)
    except SlipwayError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except MemoryError:
        print(f"{folder}: the graph wants more than {MEMORY_BYTES} bytes", file=sys.stderr)
        return Refused.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
