from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.errors import BadInput, Refused
from tests.integration.registry import project
from tests.integration.registry.conftest import Store

# MLflow's own: it warns of what its next release will change.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")


def _pickle(root: Path) -> None:
    import pickle

    (root / "model/model.onnx").write_bytes(pickle.dumps({"a": 1}))


def _foreign_type(root: Path) -> None:
    path = root / "model/model.skops"
    with zipfile.ZipFile(path) as archive:
        tree = json.loads(archive.read("schema.json"))
    tree["content"] = {"__class__": "Popen", "__module__": "subprocess", "__loader__": "ObjectNode"}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps(tree))


def _no_zip(root: Path) -> None:
    (root / "model/model.skops").write_bytes(b"\x80\x04.")


def _crash(root: Path) -> None:
    (root / "model/model.onnx").write_bytes(_endless_tree())


def _endless_tree() -> bytes:
    """A tree whose branch leads back to its root."""
    from onnx import TensorProto, helper

    node = helper.make_node(
        "TreeEnsembleClassifier", ["numeric"], ["label", "probabilities"], domain="ai.onnx.ml",
        nodes_treeids=[0, 0], nodes_nodeids=[0, 1], nodes_featureids=[0, 0], nodes_modes=["BRANCH_LEQ", "LEAF"],
        nodes_values=[0.5, 0.0], nodes_truenodeids=[0, 0], nodes_falsenodeids=[1, 0], class_treeids=[0, 0],
        class_nodeids=[1, 1], class_ids=[0, 1], class_weights=[0.5, 0.5], classlabels_int64s=[0, 1],
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("numeric", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return content


def _refused_by_its_own_contract(root: Path) -> None:
    path = root / "model/schema.json"
    contract = json.loads(path.read_text())
    contract["features"][0]["maximum"] = 0.8
    path.write_text(json.dumps(contract))


def _fraction(root: Path) -> None:
    path = root / "model/schema.json"
    contract = json.loads(path.read_text())
    contract["features"][1]["type"] = "integer"
    path.write_text(json.dumps(contract))


def _other_contract(root: Path) -> None:
    path = root / "model/schema.json"
    path.write_text(path.read_text().replace("tiny", "huge"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_pickle, "model.onnx is refused"),
        (_crash, "model.onnx is refused"),
        (_refused_by_its_own_contract, r"refuses a golden row: rows\[0\]\.distance"),
        (_fraction, r"refuses a golden row: rows\[0\]\.temp"),
        (_foreign_type, r"subprocess\.Popen"),
        (_no_zip, "model.skops is refused"),
        (_other_contract, "contract of another model"),
    ],
)
def test_a_hostile_or_broken_artifact_is_refused_and_nothing_registered(
    root: Path, store: Store, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(root)
    project.lock(root)
    project.commit(root, "Spoil it")
    with pytest.raises(BadInput, match=message):
        store.register(root)
    assert store.everything("tiny") == ([], [])


@pytest.mark.parametrize("file", ["model/model.onnx", "reports/metrics.json", "data/prepared/test.parquet", "dvc.lock"])
def test_a_missing_output_is_named(root: Path, store: Store, file: str) -> None:
    (root / file).unlink()
    with pytest.raises(BadInput, match=file):
        store.register(root, allow_dirty=True)


def test_what_to_type_after_a_killed_experiment_is_said(root: Path, store: Store) -> None:
    for path in (root / "reports").iterdir():
        path.unlink()
    with pytest.raises(BadInput) as caught:
        store.register(root)
    assert "git checkout -- reports" in str(caught.value.hint)


def test_outputs_and_parameters_that_are_not_of_the_last_repro_are_refused(root: Path, store: Store) -> None:
    model = root / "model/model.onnx"
    content = model.read_bytes()
    model.write_bytes(content + b"x")
    with pytest.raises(Refused, match="not what the last dvc repro made"):
        store.register(root)
    model.write_bytes(content)
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("strength: 1.0", "strength: 2.0"))
    project.commit(root, "Change a parameter only")
    with pytest.raises(Refused, match="has changed since the last dvc repro"):
        store.register(root)


def test_a_tree_that_git_cannot_read_is_not_taken_for_clean(root: Path, store: Store) -> None:
    (root / ".git/index").write_bytes(b"DIRC" + bytes(40))
    with pytest.raises(BadInput, match="git status failed"):
        store.register(root)
    assert store.everything("tiny") == ([], [])


def test_outside_git_there_is_nothing_to_lead_back_to(root: Path, store: Store) -> None:
    import shutil

    shutil.rmtree(root / ".git")
    with pytest.raises(BadInput, match="not in a Git repository"):
        store.register(root)
