"""The image of a version: built, pushed, run locked down; the same inputs give the same digest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[3]
MODEL = ROOT / "tests/fixtures/flight-delay"

Build = Callable[..., dict[str, Any]]


def manifest_of(reference: str) -> dict[str, Any]:
    words = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"]
    found: dict[str, Any] = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return found


def config_of(reference: str) -> dict[str, Any]:
    words = ["skopeo", "inspect", "--config", "--tls-verify=false", f"docker://{reference}"]
    found: dict[str, Any] = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return found


def next_version(folder: Path, version: str) -> Path:
    """Copy the fixture model as another version with other bytes."""
    shutil.copytree(MODEL, folder)
    content = json.loads((folder / "manifest.json").read_text())
    golden = json.loads((folder / "golden.json").read_text())
    changed = json.dumps({name: golden[name][:-1] for name in golden}).encode()
    (folder / "golden.json").write_bytes(changed)
    content["model"]["version"] = version
    content["files"]["golden.json"] = {"sha256": hashlib.sha256(changed).hexdigest(), "bytes": len(changed)}
    (folder / "manifest.json").write_text(json.dumps(content))
    return folder


def checkout_with_a_comment(folder: Path) -> Path:
    """Copy what is built from, and say more in the Containerfile."""
    for name in ("slipway", "serving", "journal", "image"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE", "bentofile.yaml"):
        shutil.copyfile(ROOT / name, folder / name)
    with (folder / "image/Containerfile").open("a") as file:
        file.write("# Nothing more.\n")
    return folder


@pytest.fixture(scope="module")
def built(build: Build) -> dict[str, Any]:
    return build(MODEL)


@pytest.fixture(scope="module")
def pinned(built: dict[str, Any]) -> str:
    return f"{built['image'].rpartition(':')[0]}@{built['digest']}"


@pytest.fixture(scope="module")
def running(pinned: str, kept_store: dict[str, str]) -> Iterator[tuple[str, int]]:
    """Run the image by digest with a read-only root, no capability, no new privileges."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = {**os.environ, **kept_store}
    words = ["podman", "run", "--detach", "--tls-verify=false", "--read-only", "--read-only-tmpfs=false"]
    words += ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host", "--pull=always"]
    words += ["--env=SLIPWAY_AUTH=off", "--env=SLIPWAY_HOST=127.0.0.1", f"--env=SLIPWAY_PORT={port}", pinned]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    container = done.stdout.strip()
    yield container, port
    subprocess.run(["podman", "rm", "--force", "--time=2", container], capture_output=True, check=True, env=environment)


def ready(port: int) -> None:
    ends = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5):
                return
        except OSError:
            assert time.monotonic() < ends, "never ready"
            time.sleep(0.05)


def test_locked_down_it_answers_rightly(running: tuple[str, int]) -> None:
    port = running[1]
    ready(port)
    golden = json.loads((MODEL / "golden.json").read_text())
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict",
        json.dumps({"rows": golden["rows"]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        said = json.loads(answer.read())
    assert said["model"] == {"name": "flight-delay", "version": "7"}
    found = [one["probability"] for one in said["predictions"]]
    assert found == pytest.approx(golden["probabilities"], abs=1e-6)


def test_it_runs_as_nobody_in_particular_and_can_write_nowhere(
    running: tuple[str, int], kept_store: dict[str, str]
) -> None:
    script = (
        "import os, sys\n"
        "def refused(path):\n"
        "    try: open(path, 'w')\n"
        "    except OSError: return True\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "places = ['/x', '/tmp/x', '/app/x', '/model/x', '/home/slipway/x']\n"
        "print(os.getuid(), os.getgid(), int(status['CapEff'], 16), all(map(refused, places)))\n"
    )
    words = ["podman", "exec", running[0], "python3", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, **kept_store})
    assert done.stdout.split() == ["1034", "1034", "0", "True"]


def test_there_is_no_shell_and_nothing_to_install_with(running: tuple[str, int], kept_store: dict[str, str]) -> None:
    script = (
        "import importlib.util, os\n"
        "places = ['/bin', '/sbin', '/usr/bin', '/usr/sbin', '/usr/local/bin']\n"
        "print(sorted({name for place in places if os.path.isdir(place) for name in os.listdir(place)}))\n"
        "names = ['pip', 'setuptools', 'ensurepip', 'uv', 'sklearn', 'pandas', 'mlflow', 'bentoml']\n"
        "print([name for name in names if importlib.util.find_spec(name)])\n"
        "print([name for place, _, files in os.walk('/') if not place.startswith(('/proc', '/sys'))"
        " for name in files if os.stat(os.path.join(place, name), follow_symlinks=False).st_mode & 0o6000])\n"
    )
    words = ["podman", "exec", running[0], "python3", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, **kept_store})
    programs, packages, setuid = done.stdout.splitlines()
    assert set(json.loads(programs.replace("'", '"'))) <= {"python3", "python3.11", "python"}
    assert packages == "[]"
    assert setuid == "[]"


def test_it_carries_the_description_of_its_bento(
    running: tuple[str, int], pinned: str, kept_store: dict[str, str]
) -> None:
    words = ["podman", "exec", running[0], "python3", "-c", "print(open('/app/bento.yaml').read(), end='')"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, **kept_store})
    assert config_of(pinned)["config"]["Labels"]["slipway.bento"] == "flight-delay:7"
    assert done.stdout == Path(kept_store["BENTOML_HOME"], "bentos/flight-delay/7/bento.yaml").read_text()
    described = yaml.safe_load(done.stdout)
    assert (described["name"], described["version"]) == ("flight-delay", "7")
    assert [model["tag"] for model in described["models"]] == ["flight-delay:7"]


def test_labels_carry_the_lineage(pinned: str, base: str) -> None:
    labels, manifest = config_of(pinned)["config"]["Labels"], json.loads((MODEL / "manifest.json").read_text())
    assert labels["slipway.model"] == "flight-delay"
    assert labels["slipway.model-version"] == labels["org.opencontainers.image.version"] == "7"
    assert labels["slipway.run-id"] == manifest["run_id"]
    assert labels["slipway.data-md5"] == manifest["data_md5"]
    assert labels["org.opencontainers.image.revision"] == labels["slipway.git-commit"] == manifest["git_commit"]
    assert labels["slipway.model-sha256"] == manifest["files"]["model.onnx"]["sha256"]
    assert labels["org.opencontainers.image.base.digest"] == base.partition("@")[2]


def test_the_same_inputs_give_the_same_digest_from_nothing(
    build: Build, built: dict[str, Any], base: str, empty_store: dict[str, str], tmp_path: Path
) -> None:
    # The runtime is built under another name of the base: what it was called then must not matter.
    renamed = {"SLIPWAY_BASE_IMAGE": base.replace("127.0.0.1", "localhost")}
    first = build(MODEL, environment=empty_store | renamed)
    assert first["runtime"] == built["runtime"]
    # Other inputs with the same content: what else a runtime is called must not matter either.
    other = build(MODEL, environment=empty_store, source=checkout_with_a_comment(tmp_path / "other"))
    assert other["runtime"] != built["runtime"]
    again = build(MODEL, environment=empty_store)
    assert again["digest"] == built["digest"]
    assert again["sbom_sha256"] == built["sbom_sha256"]


def test_podman_makes_the_same_layers(build: Build, built: dict[str, Any], pinned: str, tmp_path: Path) -> None:
    done = build(next_version(tmp_path / "model", "6"), "--engine", "podman")
    layers = manifest_of(done["image"])["layers"]
    assert layers[:-1] == manifest_of(pinned)["layers"][:-1]
    assert config_of(done["image"])["config"]["Labels"]["slipway.model-version"] == "6"


def test_a_new_version_changes_only_the_models_layer(
    build: Build, built: dict[str, Any], pinned: str, tmp_path: Path
) -> None:
    folder = next_version(tmp_path / "model", "8")
    other = build(folder)
    before, after = manifest_of(pinned)["layers"], manifest_of(other["image"])["layers"]
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]
    assert other["digest"] != built["digest"]
    model_bytes = sum(path.stat().st_size for path in folder.iterdir())
    assert after[-1]["size"] <= 1.1 * model_bytes


def test_what_is_built_is_not_built_again(build: Build, built: dict[str, Any]) -> None:
    known = f"{built['inputs']} {built['digest']}"
    assert build(MODEL, "--known", known)["built"] is False
    other = f"{built['inputs']} sha256:{'0' * 64}"
    assert build(MODEL, "--known", other)["built"] is True, "the registry does not hold it: it must be pushed"


def test_the_bill_of_materials_names_what_is_inside(built: dict[str, Any], pinned: str) -> None:
    content = Path(built["sbom"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == built["sbom_sha256"]
    bill = json.loads(content)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == built["digest"]
    names = {part["name"]: part for part in bill["components"]}
    assert {"onnxruntime", "numpy", "uvicorn", "libc6", "libssl3", "flight-delay"} <= names.keys()
    assert not {"bentoml", "scikit-learn", "pip", "bash", "apt", "coreutils", "perl-base"} & names.keys()
    assert names["flight-delay"]["type"] == "machine-learning-model"


@pytest.mark.parametrize("step", ["runtime image", "model layer", "push"])
def test_killed_at_a_step_the_same_call_completes(
    build: Build,
    built: dict[str, Any],
    base: str,
    local_registry: str,
    kept_store: dict[str, str],
    step: str,
    tmp_path: Path,
) -> None:
    folder = next_version(tmp_path / "model", f"9{len(step)}")
    environment = {
        **os.environ,
        **kept_store,
        "SLIPWAY_BASE_IMAGE": base,
        "SLIPWAY_REGISTRY": f"{local_registry}/slipway",
    }
    if step == "runtime image":
        subprocess.run(
            ["buildah", "rmi", "--force", built["runtime"]], capture_output=True, check=True, env=environment
        )
    words = [sys.executable, "-m", "image", str(folder), "--json"]
    with subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert any(step in line for line in process.stderr), f"never came to {step}"
        os.killpg(process.pid, signal.SIGKILL)
    done = build(folder)
    assert done["digest"].startswith("sha256:")
    layers = manifest_of(done["image"])["layers"]
    assert layers[:-1] == manifest_of(built["image"])["layers"][:-1], "the runtime is not the same as before"
