"""A process of its own: its exit code is the error that it stands for, whoever started it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway import processes
from slipway.errors import BadInput, Refused, SlipwayError, Unavailable


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a module that a process of its own can run; return its name."""

    def write(source: str) -> str:
        (tmp_path / "other_room.py").write_text(source)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return "other_room"

    return write


def raising(error: SlipwayError) -> str:
    return f"import sys\nprint({json.dumps(json.dumps(error.as_json()))})\nsys.exit({error.exit_code})"


@pytest.mark.parametrize("kind", [BadInput, Refused, Unavailable])
def test_the_error_over_there_is_the_error_here(module: Callable[[str], str], kind: type[SlipwayError]) -> None:
    error = kind("the thing", expected="an apple", found="a pear", hint="slipway status")
    raised = processes.run(module(raising(error))).error("it failed", "again")
    assert type(raised) is kind
    assert raised.as_json() == error.as_json()


@pytest.mark.parametrize(
    ("code", "kind"), [(1, SlipwayError), (2, SlipwayError), (3, BadInput), (4, Refused), (5, Unavailable)]
)
def test_without_a_named_error_the_exit_code_says_the_kind(
    module: Callable[[str], str], code: int, kind: type[SlipwayError]
) -> None:
    ended = processes.run(module(f"import sys\nprint('[1]')\nsys.exit({code})"), quiet=True)
    raised = ended.error("it failed", "again")
    assert type(raised) is kind
    assert (raised.thing, raised.found, raised.hint) == ("it failed", f"exit code {code}", "again")


def test_a_crash_names_its_signal_and_a_traceback_its_last_line(module: Callable[[str], str]) -> None:
    ended = processes.run(module("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"), quiet=True)
    assert ended.reason() == "ended by signal 11 (Segmentation fault)"
    ended = processes.run(module("raise ValueError('a pear')"), quiet=True)
    assert (ended.code, ended.reason()) == (1, "ValueError: a pear")


def test_what_hangs_is_killed(module: Callable[[str], str]) -> None:
    process = processes.start(module("import time\ntime.sleep(600)"))
    with pytest.raises(processes.NoAnswer):
        process.wait(0.2)
    process.stop()  # twice does no harm


def test_an_isolated_process_imports_nothing_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert processes.run("json.tool", "--help", quiet=True).code != 0
    assert processes.run("json.tool", "--help", isolated=True, quiet=True).code == 0


def test_a_command_of_ours_keeps_its_own_refusal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadInput, match="is not a valid reference") as raised:
        processes.slipway("export", "NOBODY", tmp_path / "x", failed="NOBODY could not be exported", hint="again")
    assert raised.value.hint != "again"
    assert "error:" not in capfd.readouterr().err, "the caller prints it, once"
