"""A module or command of ours in a process of its own, and its exit code as the error that it stands for.

What crashes, hangs or imports for seconds does so over there. A module that fails prints `SlipwayError.as_json()` on
standard output and ends with the error's exit code; here the same error is raised. Servers that outlive a call are
started by whoever owns them.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway import room
from slipway.errors import BadInput, Refused, SlipwayError, Unavailable

NoAnswer = subprocess.TimeoutExpired
KINDS: dict[int, type[SlipwayError]] = {kind.exit_code: kind for kind in (BadInput, Refused, Unavailable)}


@dataclass(frozen=True)
class Ended:
    """A process that ended: exit code, negative for a signal, and its two outputs; "" for one that was not kept."""

    code: int
    output: str
    complaint: str

    def answer(self) -> dict[str, Any]:
        """Return the JSON object that is its output, or its last line; an empty one where there is none."""
        for text in (self.output, next(reversed(self.output.strip().splitlines()), "")):
            try:
                found = json.loads(text)
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
        return {}

    def error(self, thing: str, hint: str, expected: str | None = None) -> SlipwayError:
        """Return the error that it ended with; one about `thing`, of its exit code's kind, where it named none."""
        answer, kind = self.answer(), KINDS.get(self.code, SlipwayError)
        if "thing" in answer:
            return kind(answer["thing"], **{name: answer.get(name) for name in ("expected", "found")},
                        hint=answer.get("next") or hint)  # fmt: skip
        return kind(thing, expected=expected, found=self.reason(), hint=hint)

    def reason(self) -> str:
        """Say how it ended, in a line: the signal, the last line of its complaint, or the exit code."""
        if self.code < 0:
            return f"ended by signal {-self.code} ({signal.strsignal(-self.code)})"
        return next(reversed(self.complaint.strip().splitlines()), f"exit code {self.code}")


class Process:
    """A process that runs beside this one."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait(self, seconds: float) -> Ended:
        """Wait for its end; it is killed where it takes longer.

        Raises:
            NoAnswer: it took longer.
        """
        try:
            output, complaint = self._process.communicate(timeout=seconds)
        except NoAnswer:
            self.stop()
            raise
        return Ended(self._process.returncode, output, complaint)

    def stop(self) -> None:
        """Kill it, if it still runs."""
        self._process.kill()
        self._process.communicate()


def start(module: str, *words: str | Path, isolated: bool = False) -> Process:
    """Start a module of ours; `isolated` imports nothing from the working folder in place of a library."""
    return Process(command(module, *words, isolated=isolated))


def run(module: str, *words: str | Path, isolated: bool = False, quiet: bool = False, **options: Any) -> Ended:
    """Run a module of ours to its end; its progress goes to this process's standard error unless `quiet`.

    `options` are `env` and `cwd` as `subprocess.run` takes them.
    """
    done = subprocess.run(
        command(module, *words, isolated=isolated), check=False, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None, **options,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr or "")


def command(module: str, *words: str | Path, isolated: bool = False) -> list[str]:
    """Return the command that runs a module of ours with this interpreter."""
    return [sys.executable, *(["-P"] if isolated else []), *room.command(module), *map(str, words)]


def slipway(*words: str | Path, failed: str, hint: str) -> dict[str, Any]:
    """Run `slipway WORDS --json` and return its answer; whoever calls it imports nothing of the room behind it.

    Raises:
        SlipwayError: the command's own error; one about `failed`, of the same exit code, where it named none.
    """
    ended = run("slipway", *words, "--json", quiet=True)
    remarks = ended.complaint
    if ended.code and ended.answer():  # its text is on standard error too
        remarks = remarks.partition("error: ")[0]
    sys.stderr.write(remarks)
    if ended.code:
        raise ended.error(failed, hint)
    return ended.answer()
