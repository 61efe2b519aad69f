"""What packaging refuses, and how it finds a tool."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from image import bento, context, engine, order, sbom
from image.rootfs import EPOCH
from slipway.errors import BadInput, Unavailable

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "tests/fixtures/flight-delay"
BASE = "registry.example/python@sha256:" + "a" * 64


@pytest.mark.parametrize("base", ["", "python:3.11-slim", "python@sha256:abc", "python:3.11@sha256:" + "G" * 64])
def test_a_base_without_a_digest_is_refused(base: str) -> None:
    with pytest.raises(BadInput, match="not named by digest"):
        order.check_base(base)


def test_a_base_with_a_digest_is_taken() -> None:
    order.check_base(BASE)


def test_the_runtimes_name_is_the_same_from_every_folder(tmp_path: Path) -> None:
    for name in ("slipway", "serving", "journal"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("pyproject.toml", "uv.lock", "README.md", "bentofile.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    assert context.describe(tmp_path, BASE).digest == context.describe(ROOT, BASE).digest


def test_a_model_with_other_bytes_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(MODEL, tmp_path / "model")
    assert order.read_manifest(folder)["model"]["version"] == "7"
    (folder / "model.onnx").write_bytes(b"\x80\x04.")
    with pytest.raises(BadInput, match=r"model\.onnx is not the registered file"):
        order.read_manifest(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": {}, "files": {}}'])
def test_a_broken_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadInput, match=r"manifest\.json does not parse"):
        order.read_manifest(tmp_path)


def test_no_tool_is_a_clear_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable) as raised:
        engine.find()
    for name in engine.ENGINES:
        assert f"{name}: not found" in str(raised.value)
    dead = tmp_path / "docker"
    dead.write_text("#!/bin/false\n")
    dead.chmod(0o755)
    with pytest.raises(Unavailable, match="docker: found, but its engine does not answer"):
        engine.find()


def test_the_first_tool_that_answers_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "podman").write_text("#!/bin/true\n")
    (tmp_path / "podman").chmod(0o755)
    assert engine.find() == engine.Engine("podman")
    with pytest.raises(Unavailable, match="docker: not found"):
        engine.find("docker")
    with pytest.raises(BadInput, match="is not a supported image tool"):
        engine.find("kaniko")


@pytest.mark.parametrize(
    ("reference", "loopback"),
    [
        ("127.0.0.1:5000/a:1", True),
        ("localhost/a", True),
        ("localhost:5000/a", True),
        ("[::1]:5000/a", True),
        ("registry.example/a:1", False),
        ("127.0.0.1.example:5000/a", False),
        ("localhost.example/a", False),
    ],
)
def test_only_a_loopback_registry_may_do_without_tls(reference: str, loopback: bool) -> None:
    assert engine.is_loopback(reference) is loopback


def test_every_input_changes_the_digest(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("serving", "journal", "slipway"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE", "bentofile.yaml"):
        shutil.copy(ROOT / name, source / name)
    folder = shutil.copytree(MODEL, tmp_path / "model")
    recipes: list[str] = []

    def inputs(base: str = BASE, epoch: int = EPOCH) -> str:
        wanted = order.Order(folder, source, base, None, tmp_path, tmp_path / "bentoml", epoch=epoch)
        runtime, manifest = context.describe(source, base), json.loads((folder / "manifest.json").read_text())
        recipe = bento.recipe(runtime, folder, manifest, epoch)
        recipes.append(recipe.inputs)
        return order.inputs_digest(wanted, runtime, recipe)

    seen = [inputs()]
    assert inputs() == seen[0]
    seen += [inputs(base=BASE.replace("a" * 64, "b" * 64)), inputs(epoch=0)]
    (source / "serving/app.py").write_text("# another application\n")
    seen.append(inputs())
    (folder / "model.onnx").write_bytes(b"another model")
    seen.append(inputs())
    assert len(set(seen)) == len(seen)
    assert len(set(recipes)) == len(seen), "the Bento has the same inputs"
    for name in ("scoring/cli.py", "image/build.py"):
        (source / name).parent.mkdir()
        (source / name).write_text("# not in the image\n")
    assert inputs() == seen[-1]


def test_the_application_is_what_serves_and_no_more() -> None:
    files = context.application_files(ROOT)
    assert {"serving/__main__.py", "serving/app.py", "slipway/errors.py"} <= set(files)
    assert not [name for name in files if name.startswith(("image", "scoring", "slipway/cli"))]
    assert not [name for name in files if name.endswith(".pyc")]


def test_the_requirements_are_pinned_with_hashes_and_lean() -> None:
    text = context.export_requirements(ROOT)
    names = {line.partition("==")[0] for line in text.splitlines() if "==" in line}
    assert {"onnxruntime", "numpy", "uvicorn"} <= names
    assert not names & {"scikit-learn", "pandas", "mlflow", "bentoml", "dask", "pip"}
    assert text.count("--hash=sha256:") >= len(names)
    with pytest.raises(BadInput, match=r"no uv\.lock"):
        context.export_requirements(ROOT / "docs")


def test_a_bill_of_materials_depends_on_nothing_but_the_image() -> None:
    listed = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"tools": {}, "timestamp": "now"},
              "components": [{"type": "library", "name": "numpy"}]}  # fmt: skip
    manifest = json.loads((MODEL / "manifest.json").read_text())
    digest = "sha256:" + "c" * 64
    one = sbom.of_version(listed, reference="r/m", digest=digest, manifest=manifest, epoch=0)
    assert one == sbom.of_version(listed, reference="r/m", digest=digest, manifest=manifest, epoch=0)
    assert b"now" not in one
    other = sbom.of_version(listed, reference="r/m", digest=digest[:-1] + "d", manifest=manifest, epoch=0)
    assert json.loads(one)["serialNumber"] != json.loads(other)["serialNumber"]
