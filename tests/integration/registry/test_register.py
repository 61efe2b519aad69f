from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry import statement
from registry.register import Registration
from registry.signing import Trust
from registry.verdict import Verdict
from slipway.errors import BadInput, Refused, Unavailable
from tests.integration.registry import project
from tests.integration.registry.conftest import Store

# MLflow's own: it warns of what its next release will change.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")


def verdict_of(registration: Registration) -> Verdict:
    assert registration.verdict is not None
    return registration.verdict


def test_a_version_holds_the_bytes_the_origin_and_what_mlflow_needs_to_load_it(root: Path, store: Store) -> None:
    import mlflow
    import numpy as np
    import pandas as pd

    done = store.register(root)
    assert done.created
    assert verdict_of(done).passed, verdict_of(done).failures
    assert done.version.aliases == ("challenger",)
    head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    onnx = (root / "model/model.onnx").read_bytes()
    assert done.version.tags["git_commit"] == head.stdout.strip()
    assert done.version.tags["git_dirty"] == "false"
    assert done.version.tags["model_md5"] == hashlib.md5(onnx).hexdigest()  # noqa: S324
    assert done.version.tags["model_sha256"] == hashlib.sha256(onnx).hexdigest()
    assert done.version.tags["verdict"] == "passed"

    client = store.open().client
    run = client.get_run(done.version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["train.estimator"] == "LogisticRegression"
    assert (run.data.metrics["roc_auc_low"], run.data.metrics["roc_auc_high"]) == (0.7, 0.9)
    md5 = hashlib.md5((root / "data/prepared/test.parquet").read_bytes()).hexdigest()  # noqa: S324
    assert {one.dataset.name: one.dataset.digest for one in run.inputs.dataset_inputs}["test"] == md5
    (output,) = run.outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert str(logged.status) == "READY"
    assert {metric.key for metric in logged.metrics} >= {"roc_auc", "log_loss"}

    folder = Path(mlflow.artifacts.download_artifacts(f"models:/tiny/{done.version.number}"))
    for file in ("model.onnx", "model.skops", "schema.json", "golden.json"):
        assert (folder / file).read_bytes() == (root / "model" / file).read_bytes()
    assert not [file for file in folder.rglob("*") if file.suffix in {".pkl", ".pickle"}]
    golden = json.loads((root / "model/golden.json").read_text())
    model = mlflow.pyfunc.load_model(f"models:/tiny/{done.version.number}")
    assert model.metadata.signature.inputs.input_names() == ["distance", "temp", "carrier"]
    answer = np.asarray(model.predict(pd.DataFrame(golden["rows"])))[:, 1]
    np.testing.assert_allclose(answer, golden["probabilities"], atol=1e-6)
    assert mlflow.onnx.load_model(f"models:/tiny/{done.version.number}").SerializeToString()


@pytest.mark.long
def test_the_verdict_is_kept_with_the_versions_files_signed_by_the_key_of_releases(
    root: Path, store: Store, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
    (tmp_path / "signers").write_text(f"bot@example.org {key.with_suffix('.pub').read_text()}")
    with pytest.raises(Refused, match="could not be signed"):
        store.register(root, key=str(root / "params.yaml"))
    assert store.open().names() == []
    version = store.register(root, key=str(key)).version
    opinion = statement.read(store.open(), version, Trust(tmp_path / "signers"))
    assert opinion.verdict == "passed"
    assert opinion.reason.startswith("the gate's verdict is passed, signed by bot@example.org, key SHA256:")


def test_the_same_again_makes_nothing(root: Path, store: Store) -> None:
    first = store.register(root)
    again = store.register(root)
    assert (first.created, again.created) == (True, False)
    assert again.version.number == first.version.number
    assert [len(found) for found in store.everything("tiny")] == [1, 1]


@pytest.mark.long
def test_a_worse_model_is_registered_with_its_verdict_and_does_not_pass(root: Path, store: Store) -> None:
    first = store.register(root)
    store.open().set_alias("tiny", "champion", first.version.number)
    project.make(root, strength=-0.2)
    project.commit(root, "Train worse")
    done = store.register(root)
    failed = {rule.name for rule in verdict_of(done).failures}
    assert {"non_inferiority.log_loss", "non_inferiority.roc_auc", "floors.roc_auc"} <= failed
    assert done.version.tags["verdict"] == "failed"
    assert "non_inferiority.roc_auc" in done.version.tags["verdict_reasons"]
    assert done.version.aliases == ("challenger",)
    assert store.open().versions("tiny")[0].aliases == ("champion",)


@pytest.mark.long
def test_a_champion_whose_bytes_changed_is_no_ground_to_pass(root: Path, store: Store) -> None:
    first = store.register(root)
    store.open().set_alias("tiny", "champion", first.version.number)
    stored = next((root / "var/mlflow/artifacts").rglob("model.onnx"))
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    project.git(root, "commit", "-q", "--allow-empty", "-m", "Next")
    done = store.register(root)
    assert {rule.name for rule in verdict_of(done).failures} == {"non_inferiority.log_loss", "non_inferiority.roc_auc"}
    assert "not what was registered" in verdict_of(done).failures[0].reason


@pytest.mark.long
def test_two_models_live_side_by_side(root: Path, store: Store) -> None:
    store.register(root)
    project.make(root / "second", name="other", seed=2)
    (root / "second/.gitignore").write_text("/model/\n")
    project.commit(root, "A second model")
    done = store.register(root / "second")
    assert (done.version.name, done.version.number) == ("other", 1)
    assert store.open().names() == ["other", "tiny"]


@pytest.mark.long
def test_a_dirty_tree_is_refused_unless_allowed_and_then_marked(root: Path, store: Store) -> None:
    (root / "note.txt").write_text("one")
    with pytest.raises(Refused, match=r"uncommitted changes(.|\n)*note\.txt"):
        store.register(root)
    assert store.everything("tiny") == ([], [])
    first = store.register(root, allow_dirty=True)
    assert first.version.tags["git_dirty"] == "true"
    assert not store.register(root, allow_dirty=True).created
    (root / "note.txt").write_text("two")
    assert store.register(root, allow_dirty=True).created


@pytest.mark.long
def test_a_full_disk_leaves_no_version_and_the_rerun_completes(root: Path, store: Store) -> None:
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from registry.register import register; from registry.tracking import open_store\n"
        "def say(step):\n"
        "    if step == 'storing the model': resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        "register(Path(sys.argv[1]), lambda: open_store(sys.argv[2]), sys.argv[3], False, say)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(root), store.uri, str(store.artifacts)],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert "slipway.errors.Unavailable" in ran.stderr, ran.stderr
    assert store.open().versions("tiny") == []
    assert store.register(root).created
    assert [len(found) for found in store.everything("tiny")] == [1, 1]


@pytest.mark.long
def test_an_export_is_the_registered_bytes_and_refuses_others(root: Path, store: Store, tmp_path: Path) -> None:
    from registry.export import export

    store.register(root)
    manifest = export(store.open(), "tiny", "@challenger", tmp_path / "out")
    assert manifest == json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["git_dirty"] is False
    for file, facts in manifest["files"].items():
        content = (tmp_path / "out" / file).read_bytes()
        assert (facts["sha256"], facts["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
        assert content == (root / "model" / file).read_bytes()
    with pytest.raises(BadInput, match="has no version 9"):
        export(store.open(), "tiny", "9", tmp_path / "other")
    stored = next((root / "var/mlflow/artifacts").rglob("golden.json"))
    stored.write_text("{}")
    with pytest.raises(Refused, match=r"golden\.json(.|\n)*not what was registered"):
        export(store.open(), "tiny", "1", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.long
def test_a_dead_server_is_reported_in_seconds(root: Path, tmp_path: Path) -> None:
    import time

    environment = os.environ | {"MLFLOW_TRACKING_URI": "http://user:secret@127.0.0.1:9"}
    started = time.monotonic()
    command = [str(Path(sys.executable).with_name("slipway")), "register", "-C", str(root), "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == Unavailable.exit_code, ran.stderr
    assert json.loads(ran.stdout)["error"] == "Unavailable"
    assert "127.0.0.1:9" in ran.stderr
    assert "secret" not in ran.stderr + ran.stdout
    assert time.monotonic() - started < 40  # 20 s on a quiet machine, of which imports 5
