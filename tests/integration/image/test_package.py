"""`slipway package` on a real MLflow store: the digest comes back on the version, once."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry import logged_model
from registry.image_statement import released
from registry.signing import Trust
from registry.tracking import Tracking, open_store

pytestmark = [
    pytest.mark.image,
    pytest.mark.timeout(600),
    # MLflow's own use of SQLAlchemy and of its SQLite file
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
ROOT = Path(__file__).parents[3]
MODEL = ROOT / "tests/fixtures/flight-delay"


@pytest.fixture(scope="module")
def settings(
    base: str, local_registry: str, kept_store: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    named = {"MLFLOW_TRACKING_URI": uri, "SLIPWAY_BASE_IMAGE": base, "SLIPWAY_REGISTRY": f"{local_registry}/packaged"}
    return {**os.environ, **kept_store, **named, "MLFLOW_DISABLE_TELEMETRY": "true"}


@pytest.fixture(scope="module")
def tracking(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    """Register the fixture model as version 1 and champion."""
    opened = open_store(settings["MLFLOW_TRACKING_URI"])
    manifest = json.loads((MODEL / "manifest.json").read_text())
    tags = {key: manifest[key] for key in ("git_commit", "data_md5", "dvc_lock_sha256", "verdict")}
    for name in ("model.onnx", "schema.json", "golden.json"):
        tags[f"{Path(name).stem}_sha256"] = hashlib.sha256((MODEL / name).read_bytes()).hexdigest()
    experiment = logged_model.prepare(opened, "flight-delay", tmp_path_factory.mktemp("artifacts").as_uri())
    run = logged_model.start_run(opened, experiment, tags, [])
    model = logged_model.start_model(opened, experiment, run, "flight-delay", {})
    logged_model.upload_model(opened, model, MODEL)
    number = opened.create_version("flight-delay", run, model, {**tags, "git_dirty": "false"})
    opened.set_alias("flight-delay", "champion", number)
    return opened


def package(settings: dict[str, str], *words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "slipway", "package", "flight-delay", "1", "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def tags_of(tracking: Tracking) -> dict[str, str]:
    return tracking.versions("flight-delay")[0].tags


def test_killed_before_the_tags_it_completes_and_then_does_nothing(
    tracking: Tracking, settings: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "slipway", "package", "flight-delay", "1"]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=settings,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert any("bill of materials" in line for line in process.stderr)
        os.killpg(process.pid, signal.SIGKILL)
    assert "image_digest" not in tags_of(tracking)
    made = package(settings)
    assert made["built"] is True
    tags = tags_of(tracking)
    assert tags["image_digest"] == made["digest"]
    assert tags["image"] == made["image"] == f"{settings['SLIPWAY_REGISTRY']}/flight-delay:1"
    assert tags["sbom_sha256"] == made["sbom_sha256"]
    assert tags["bento"] == made["bento"] == "flight-delay:1"
    stored = Path(settings["BENTOML_HOME"], "bentos/flight-delay/1/bento.yaml")
    version = tracking.versions("flight-delay")[0]
    assert tracking.download(version, "bento.yaml", tmp_path).read_bytes() == stored.read_bytes()
    again = package(settings)
    assert again["built"] is False
    assert again["digest"] == made["digest"]
    assert again["before"] is None
    assert tags_of(tracking) == tags


def test_what_a_tag_says_of_an_earlier_build_is_not_believed_and_never_signed(
    tracking: Tracking, settings: dict[str, str], tmp_path: Path
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
    (tmp_path / "signers").write_text(f"bot@example.org {key.with_suffix('.pub').read_text()}")
    signing = settings | {"SLIPWAY_SIGNING_KEY": str(key), "SLIPWAY_ALLOWED_SIGNERS": str(tmp_path / "signers")}
    before = tags_of(tracking)
    evil = f"sha256:{'e' * 64}"
    tracking.tag_version("flight-delay", 1, "image_digest", evil)
    made = package(signing)
    assert made["built"] is True, "built before, says a statement that no allowed key signed"
    assert (made["digest"], made["before"]) == (before["image_digest"], evil)
    assert made["statement"].startswith("signed by bot@example.org, key SHA256:")
    assert tags_of(tracking) == before
    trust = Trust(tmp_path / "signers")
    stated = released(tracking, tracking.versions("flight-delay")[0], trust)
    assert stated.image is not None, stated.answer.reason
    assert stated.image.tags().items() <= before.items()
    # Cut off between the statement and the tags: the same command completes it, and builds nothing.
    tracking.untag_version("flight-delay", 1, "image_digest")
    assert released(tracking, tracking.versions("flight-delay")[0], trust).image is None
    again = package(signing)
    assert again["built"] is False
    assert tags_of(tracking) == before


def test_without_a_push_nothing_is_tagged(tracking: Tracking, settings: dict[str, str]) -> None:
    before = tags_of(tracking)
    assert package(settings, "--no-push")["digest"].startswith("sha256:")
    assert tags_of(tracking) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("flight-delay", "9"), 3, "has no version 9"),
        (("flight-delay", "1", "--base", "python:3.11-slim"), 3, "not named by digest"),
        (("flight-delay", "1", "--engine", "kaniko"), 3, "is not a supported image tool"),
        (("flight-delay", "1", "--registry", "127.0.0.1:9/none"), 5, "cannot push"),
    ],
)
def test_what_cannot_be_packaged_is_named(
    tracking: Tracking, settings: dict[str, str], words: tuple[str, ...], code: int, said: str
) -> None:
    before = tags_of(tracking)
    command = [sys.executable, "-m", "slipway", "package", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings, cwd=ROOT)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert tags_of(tracking) == before


def test_the_champion_scores_a_file(tracking: Tracking, settings: dict[str, str], tmp_path: Path) -> None:
    golden = json.loads((MODEL / "golden.json").read_text())
    pq.write_table(pa.Table.from_pylist(golden["rows"]), tmp_path / "in.parquet")
    words = ["score", str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet"), "--model", "flight-delay@champion"]
    done = subprocess.run(
        [sys.executable, "-m", "slipway", *words], capture_output=True, text=True, check=False, env=settings, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    found = pq.read_table(tmp_path / "out.parquet")
    assert found["probability"].to_pylist() == pytest.approx(golden["probabilities"], abs=1e-6)
    assert set(found["model_version"].to_pylist()) == {"1"}
