"""The job drift of nightly.yml, run as GitHub runs it: a DVC remote, a PostgreSQL with a journal, both real."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from journal.cli import journal as tables
from tests.fixtures.act import Here, fresh_clone, succeeded
from tests.fixtures.servers import Postgres
from tests.integration.monitoring.requests import ask, asked
from tests.integration.registry import project

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1600)]
PULLED = ("model/schema.json", "data/prepared/test.parquet", "reports/predictions.parquet")


@pytest.fixture
def journal() -> Iterator[str]:
    server = Postgres()
    url = server.new_database()
    assert CliRunner().invoke(tables, ["migrate"], env={"SLIPWAY_DATABASE_URL": url}).exit_code == 0
    yield url
    server.stop()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a project with a small model, whose outputs are in the DVC remote and not in the clone."""
    made = fresh_clone(tmp_path)
    for folder in ("model", "reports", "data"):
        shutil.rmtree(made / folder)
    project.make(made)
    (made / "dvc.yaml").write_text(json.dumps({"stages": {"all": {"cmd": "true", "outs": list(PULLED)}}}))
    (made / "dvc.lock").unlink()
    dvc = str(Path(sys.executable).with_name("dvc"))
    for words in (("commit", "--force"), ("remote", "add", "--local", "--default", "ours", str(tmp_path / "dvc"))):
        subprocess.run([dvc, *words], cwd=made, check=True, capture_output=True)
    subprocess.run([dvc, "push"], cwd=made, check=True, capture_output=True)
    for name in PULLED:
        (made / name).unlink()
    (made / ".dvc/config.local").unlink()
    subprocess.run(["git", "add", "--all"], cwd=made, check=True)
    subprocess.run(["git", "commit", "--quiet", "--message", "A small model"], cwd=made, check=True)
    return made


def test_drift_is_found_by_night(clone: Path, journal: str, tmp_path: Path) -> None:
    here = Here(tmp_path, {"SLIPWAY_DVC_REMOTE": str(tmp_path / "dvc")}, {"SLIPWAY_DATABASE_URL": journal})
    whole = tmp_path / "whole"
    project.make(whole)
    ask(journal, asked(whole))
    done = here.run("nightly", "drift", "schedule", {})
    assert succeeded(done)[-2:] == [
        "Fetch the rows that the model was judged on",
        "Compare requests and answers with these rows",
    ]
    assert "no drift" in done.stdout
    ask(journal, [row | {"carrier": "DL"} for row in asked(whole)] * 2)
    done = here.run("nightly", "drift", "schedule", {})
    assert done.returncode != 0
    assert "drift: carrier" in done.stdout
