"""`slipway validate`, `train` and `evaluate` are the stages of DVC, as a project with the wheel types them."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.typed import typed

Stage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("name", ["validate", "train", "evaluate"])
def test_outside_a_project_it_names_the_file_that_is_missing(tmp_path: Path, name: str) -> None:
    done = typed([name], {}, tmp_path)
    assert done.code == 3, done.err
    assert "next:" in done.err
    assert "Traceback" not in done.err


@pytest.mark.long
def test_they_make_what_the_stages_make(project: Path, stage: Stage) -> None:
    assert stage("flights.prepare").returncode == 0
    assert stage("train").returncode == 0
    model = project / "model/model.onnx"
    made = hashlib.sha256(model.read_bytes()).hexdigest()
    model.unlink()
    for name in ("validate", "train", "evaluate"):
        done = typed([name], {}, project)
        assert done.code == 0, done.err
    assert hashlib.sha256(model.read_bytes()).hexdigest() == made
    for file in ("validation.json", "metrics.json"):
        assert (project / "reports" / file).is_file()
