"""release.yml, run as GitHub runs it; the statement of provenance is GitHub's alone and is left out."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.fixtures.act import Here, only, succeeded

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1600)]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    made = only(tmp_path, "test_atomic")
    changelog = made.clone / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("## [Unreleased]", "## [0.1.0]\n\n- First.\n\n## [0.0.1]", 1))
    subprocess.run(["git", "commit", "--quiet", "-am", "Release 0.1.0"], cwd=made.clone, check=True)
    made.program("gh", 'cp "${@: -1}" "$(dirname "$0")/../notes.md"')
    return made


def test_a_tag_is_checked_built_and_released(here: Here) -> None:
    done = here.run("release", "publish", "push", {"ref": "refs/tags/v0.1.0"})
    ran = succeeded(done)
    assert ran.index("Build wheel, source and bill of materials") < ran.index("Release")
    (asked,) = here.asked("gh")
    assert asked.startswith("release create v0.1.0 dist/SHA256SUMS ")
    assert asked.endswith(" --verify-tag --title v0.1.0 --notes-file var/notes.md")
    assert (here.folder / "notes.md").read_text().strip() == "- First."
    dist = here.folder / "artifacts/dist"
    names = zipfile.ZipFile(dist / "slipway-0.1.0-py3-none-any.whl").namelist()
    assert {f"{room}/cli.py" for room in ("slipway", "training", "registry", "serving", "monitoring")} <= set(names)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=dist, check=True)


def test_a_tag_that_is_not_the_version_ends_before_anything_is_built(here: Here) -> None:
    done = here.run("release", "publish", "push", {"ref": "refs/tags/v9.9.9"})
    assert done.returncode != 0
    assert "v9.9.9 is not the version in pyproject.toml" in done.stdout
    assert here.asked("gh") == []
    assert not (here.folder / "artifacts").exists()
