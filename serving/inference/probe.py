"""Try a model in a process of its own, so that a crafted graph cannot take the server down.

    python -m serving.inference.probe FOLDER

A graph with indices that point nowhere may loop, eat all memory or crash the
runtime. It does so here, and the server, which was not started yet, refuses it.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

from slipway.errors import BadInput, Refused, SlipwayError, Unavailable

SECONDS = 60
# Address space on top of what the model's bytes take several times over.
MEMORY_BYTES = 8 << 30
REPLACE = "do not serve it; find out who made this graph, then train and register the model again"


class Trial:
    """A model that is being tried in another process, while this one does something else."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        command = [sys.executable, "-m", "serving.inference.probe", str(folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def wait(self) -> None:
        """Return when the model has given the golden answers.

        Raises:
            BadInput: the model does not open or does not fit its contract.
            Refused: a digest or an answer is wrong, or the process crashed, hung or ate its memory.
        """
        try:
            _, report = self._process.communicate(timeout=self._seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise self._refused(f"no answer within {self._seconds:g} s") from None
        code = self._process.returncode
        if code < 0:
            raise self._refused(f"the process died of {signal.Signals(-code).name}")
        if code:
            kinds = {kind.exit_code: kind for kind in (BadInput, Refused, Unavailable)}
            raise kinds.get(code, Refused)(**_facts(report, code))

    def _refused(self, found: str) -> Refused:
        return Refused(
            f"the model in {self._folder} crashed or hung during its self-test",
            expected=f"answers to the rows of golden.json within {self._seconds:g} s",
            found=found,
            hint=REPLACE,
        )


def _facts(report: str, code: int) -> dict[str, str]:
    """Read the error that the process wrote as its last line."""
    try:
        facts = json.loads(report.strip().splitlines()[-1])
        given = {"thing": facts["thing"], "hint": facts["next"], "expected": facts["expected"], "found": facts["found"]}
    except (IndexError, KeyError, TypeError, ValueError):
        given = {
            "thing": "the model's self-test failed",
            "hint": REPLACE,
            "found": report.strip() or f"exit code {code}",
        }
    return {key: value for key, value in given.items() if value}


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
        print(json.dumps(error.as_json()), file=sys.stderr)
        return error.exit_code
    except MemoryError:
        hungry = Refused(
            f"the graph in {folder} needs too much memory", expected=f"at most {MEMORY_BYTES} bytes", hint=REPLACE
        )
        print(json.dumps(hungry.as_json()), file=sys.stderr)
        return Refused.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
