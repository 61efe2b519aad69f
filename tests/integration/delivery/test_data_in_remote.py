"""`slipway promote` of a version whose data nobody pushed, then once it is pushed: the real command, DVC and Git."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.delivery.conftest import MODEL, Team, add_version, digest

pytestmark = pytest.mark.long
DVC = Path(sys.executable).with_name("dvc")


def dvc(clone: Path, *words: str) -> None:
    settings = os.environ | {"DVC_NO_ANALYTICS": "1"}
    done = subprocess.run([DVC, *words], cwd=clone, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def requests(team: Team) -> list[str]:
    found: str = team.git("for-each-ref", "--format=%(refname:short)", "refs/heads/release")
    return found.split()


def test_a_version_whose_data_was_never_pushed_is_refused_until_it_is(team: Team, tmp_path: Path) -> None:
    clone = team.here.clone
    dvc(clone, "remote", "add", "--default", "team", str(tmp_path / "shared"))
    rows = b"row_id,label\n1,0\n"
    (clone / "rows.csv").write_bytes(rows)
    dvc(clone, "add", "--quiet", "rows.csv")
    md5 = hashlib.md5(rows).hexdigest()  # noqa: S324 - as DVC names it
    add_version(team.mlflow(), team.stand.port, tmp_path, 3, md5)
    team.stand.images.add(digest(3))
    team.stage(3)

    refused = team.slipway("promote", MODEL, "3", code=4)
    assert "data_in_remote" in refused
    assert f"(md5 {md5})" in refused
    assert "dvc push" in refused
    assert requests(team) == []
    tags = team.mlflow().get_model_version(MODEL, "3").tags
    assert "data_in_remote" in tags["promotion_refused"]

    dvc(clone, "push", "--quiet", "rows.csv")
    assert "data_in_remote" in team.slipway("promote", MODEL, "3")
    assert requests(team) == [f"release/{MODEL}/3"]
    assert "promotion_refused" not in team.mlflow().get_model_version(MODEL, "3").tags
