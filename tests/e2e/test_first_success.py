"""A newcomer's first hour: a fresh clone, an empty home, the README's commands and nothing else."""

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.nightly  # a change is tried so in a bare system: .ci/run
ROOT = Path(__file__).parents[2]
BORROWED = ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PIP_CERT", "UV_CACHE_DIR")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("newcomer")
    subprocess.run(["git", "clone", "--quiet", ROOT, folder / "slipway"], check=True)
    (folder / "home").mkdir()
    return folder / "slipway"


def run(clone: Path, *command: str) -> str:
    environment = {name: os.environ[name] for name in BORROWED if name in os.environ}
    # The packages' cache is the machine's: a second download proves nothing.
    environment.setdefault("UV_CACHE_DIR", str(Path.home() / ".cache/uv"))
    environment["HOME"] = str(clone.parent / "home")
    own = str(ROOT / ".venv")
    environment["PATH"] = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not p.startswith(own))
    ran = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    return ran.stdout


def versions(clone: Path) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(run(clone, ".venv/bin/slipway", "versions", "--json"))
    return listed


@pytest.mark.timeout(1800)
def test_make_alone_lists_what_there_is(clone: Path) -> None:
    listed = run(clone, "make")
    for target in ("run", "test", "check", "e2e", "mlflow"):
        assert f"make {target} " in listed


@pytest.mark.timeout(1800)
def test_make_run_ends_with_a_registered_version_and_a_page_to_open(clone: Path) -> None:
    said = run(clone, "make", "run")
    assert "flight-delay version 1 @challenger: registered; verdict passed" in said
    assert "reports/report.html" in said
    assert (clone / "reports/report.html").read_text().count("<svg") == 4
    assert (clone / "reports/data_docs/index.html").exists()
    assert [version["verdict"] for version in versions(clone)] == ["passed"]


@pytest.mark.timeout(1800)
def test_a_second_make_run_changes_nothing(clone: Path) -> None:
    said = run(clone, "make", "run")
    assert said.count("didn't change, skipping") == 5
    assert "already registered, nothing to do" in said
    assert len(versions(clone)) == 1


@pytest.mark.timeout(1800)
def test_two_clean_runs_give_the_same_bytes(clone: Path) -> None:
    files = [clone / "model" / name for name in ("model.onnx", "model.skops", "schema.json", "golden.json")]
    before = {path.name: path.read_bytes() for path in files}
    run(clone, "bash", "-c", "source .venv/bin/activate && dvc repro --force")
    assert {path.name: path.read_bytes() for path in files} == before
