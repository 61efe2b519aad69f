from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from serving.inference import model, probe
from slipway import artifact
from slipway.errors import BadInput, Refused

Change = Callable[[Path], None]


@pytest.fixture
def copy(tmp_path: Path, exported: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "model"))


def sealed(folder: Path) -> Path:
    """Make the manifest agree with the files again, as a forger with write access would."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    for name, entry in manifest["files"].items():
        content = (folder / name).read_bytes()
        entry.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    path.write_text(json.dumps(manifest))
    return folder


def test_an_exported_version_loads_and_gives_its_golden_answers(exported: Path) -> None:
    served = model.load(exported)
    golden = json.loads((exported / "golden.json").read_bytes())
    found = served.answered(*model.rows_to_arrays(golden["rows"], served.schema))
    np.testing.assert_allclose(found[:, 1], golden["probabilities"], atol=1e-6)
    assert (served.name, served.version) == ("flight-delay", "7")


@pytest.mark.parametrize("name", artifact.EXPORTED)
def test_one_flipped_bit_is_refused_before_it_is_parsed(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(Refused, match="not the file that was exported"):
        model.load(copy)


class Bomb:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("/tmp/slipway-pickle-was-run"),))  # noqa: S108 - must not come to be


def test_a_pickle_renamed_to_onnx_is_refused_unloaded(copy: Path) -> None:
    (copy / "model.onnx").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BadInput, match="does not open"):
        model.load(sealed(copy))
    assert not Path("/tmp/slipway-pickle-was-run").exists()  # noqa: S108


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("nodes_truenodeids", 2**40), ("nodes_falsenodeids", -5), ("nodes_featureids", 2**40), ("class_nodeids", -5)],
)
def test_crafted_tree_indices_are_refused_and_this_process_lives(copy: Path, attribute: str, value: int) -> None:
    graph = onnx.load_from_string((copy / "model.onnx").read_bytes())
    node = next(n for n in graph.graph.node if n.op_type.startswith("TreeEnsemble"))
    listed = next(a for a in node.attribute if a.name == attribute)
    for index in range(len(listed.ints)):
        listed.ints[index] = value
    (copy / "model.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises((BadInput, Refused)):
        probe.begin(sealed(copy), seconds=30).wait()


def test_a_sound_model_survives_the_probe(exported: Path) -> None:
    probe.begin(exported).wait()


def test_a_model_that_hangs_is_refused(exported: Path) -> None:
    with pytest.raises(Refused, match="no answer"):
        probe.begin(exported, seconds=0.01).wait()


def test_other_answers_than_the_golden_ones_are_refused(copy: Path) -> None:
    golden = json.loads((copy / "golden.json").read_bytes())
    golden["probabilities"][0] += 0.001
    (copy / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(Refused, match="other answers"):
        model.load(sealed(copy))


def test_names_outside_the_folder_are_refused(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest["files"]["../../etc/passwd"] = manifest["files"]["model.onnx"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Refused, match="lists other files"):
        model.load(copy)


def test_a_contract_that_does_not_fit_the_graph_is_refused(copy: Path) -> None:
    contract = json.loads((copy / "schema.json").read_bytes())
    contract["inputs"]["numeric"].pop()
    contract["features"] = [f for f in contract["features"] if f["name"] != "visib"]
    (copy / "schema.json").write_text(json.dumps(contract))
    with pytest.raises(BadInput, match="does not fit"):
        model.load(sealed(copy))


def test_weights_outside_the_file_are_refused(copy: Path) -> None:
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    node = onnx.helper.make_node("Identity", ["w"], ["probabilities"])
    output = onnx.helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [output], [tensor]))
    (copy / "model.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(BadInput):
        model.load(sealed(copy))


def test_a_missing_folder_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="slipway export"):
        model.load(tmp_path)


def test_unpickling_is_refused_in_the_serving_process() -> None:
    import subprocess
    import sys

    code = (
        "from serving.inference import pickles; pickles.refuse(); import pickle, io\n"
        "try: pickle.loads(b'cos\\nsystem\\n.')\n"
        "except Exception as e: print(type(e).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Refused"


def test_a_refused_model_keeps_its_error_through_the_probe(copy: Path) -> None:
    (copy / "model.onnx").write_bytes(b"another graph")
    with pytest.raises(Refused, match="not the file that was exported") as refusal:
        probe.begin(copy).wait()
    assert "export the version again" in refusal.value.hint
    assert "\n" not in refusal.value.thing
