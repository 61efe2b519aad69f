"""The Bento of a version, by BentoML's own commands: the same bytes, listed, imported, containerized."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv
import yaml

from registry.tracking import Tracking, open_store
from tests.fixtures import bento, registered
from tests.fixtures.servers import free_port, wait_until
from tests.integration.image.conftest import answers

pytestmark = [
    pytest.mark.timeout(600),
    # MLflow's own use of SQLAlchemy and of its SQLite file
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
ROOT = Path(__file__).parents[3]
MODEL = ROOT / "tests/fixtures/flight-delay"
TAG = "flight-delay:7"


@pytest.mark.long
def test_the_same_version_gives_the_same_file_whoever_makes_it(tmp_path: Path) -> None:
    copied = shutil.copytree(MODEL, tmp_path / "another-folder")
    bento.make(MODEL, tmp_path / "home-1", tmp_path / "1.bento")
    before = os.umask(0o077)
    try:
        bento.make(copied, tmp_path / "home-2", tmp_path / "2.bento")
    finally:
        os.umask(before)
    assert (tmp_path / "1.bento").read_bytes() == (tmp_path / "2.bento").read_bytes()


@pytest.mark.long
def test_bentoml_lists_the_bento_and_its_model_with_their_lineage(tmp_path: Path) -> None:
    home = tmp_path / "home"
    bento.make(MODEL, home, tmp_path / "flight.bento")
    manifest = json.loads((MODEL / "manifest.json").read_text())
    for command in ((), ("models",)):
        listed = json.loads(bento.bentoml(home, *command, "list", "--output", "json"))
        assert [one["tag"] for one in listed] == [TAG]
        assert (
            yaml.safe_load(bento.bentoml(home, *command, "get", "flight-delay:latest", "--output", "yaml"))[
                "labels"
            ].items()
            >= {
                "slipway.model": "flight-delay",
                "slipway.model-version": "7",
                "slipway.run-id": manifest["run_id"],
                "slipway.model-sha256": manifest["files"]["model.onnx"]["sha256"],
            }.items()
        )
    model = home / "models" / TAG.replace(":", "/")
    assert {path.name for path in model.iterdir()} == {path.name for path in MODEL.iterdir()} | {"model.yaml"}


@pytest.mark.long
def test_killed_while_it_is_made_leaves_nothing_half(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-m", "image", str(MODEL), "--no-image", "--bento", str(tmp_path / "flight.bento")]
    with subprocess.Popen(
        command, env=bento.settings(home), cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL
    ) as process:
        wait_until(lambda: any((home / "tmp").glob("slipway-put-*")), 60, "the store being written")
        os.killpg(process.pid, signal.SIGKILL)
    assert not (tmp_path / "flight.bento").exists()
    bento.make(MODEL, home, tmp_path / "flight.bento")
    assert [one["tag"] for one in json.loads(bento.bentoml(home, "list", "--output", "json"))] == [TAG]


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    """A version 1 with the fixture model's files."""
    opened = open_store(f"sqlite:///{tmp_path / 'mlflow.db'}")
    manifest = json.loads((MODEL / "manifest.json").read_text())
    run, model = registered.uploaded(opened, "flight-delay", artifacts=(tmp_path / "artifacts").as_uri())
    tags = {key: manifest[key] for key in ("git_commit", "data_md5", "dvc_lock_sha256", "verdict")}
    opened.create_version("flight-delay", run, model, {**tags, **registered.digests(), "git_dirty": "false"})
    return opened


@pytest.mark.long
def test_a_registered_version_gives_a_bento_without_registry_base_or_image_tool(
    tracking: Tracking, tmp_path: Path
) -> None:
    file = tmp_path / "flight.bento"
    settings = {"MLFLOW_TRACKING_URI": tracking.uri, "SLIPWAY_IMAGE_ENGINE": "none-is-asked"}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    command = [sys.executable, "-m", "slipway", "package", "flight-delay", "1", "--bento", str(file), "--json"]
    environment = {**clean, **bento.settings(tmp_path / "home"), **settings}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["image"], said["digest"], said["bento"]) == (None, None, "flight-delay:1")
    assert said["bento_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "bento" not in tracking.versions("flight-delay")[0].tags, "nobody else could find it"


@pytest.fixture(scope="module")
def stock_base(
    base: str, local_registry: str, kept_store: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The base image with what BentoML asks of one: uv, groupadd on PATH, and this machine's certificates."""
    folder = tmp_path_factory.mktemp("stock-base")
    shutil.copy(uv.find_uv_bin(), folder / "uv")
    shutil.copy(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"), folder / "ca.crt")
    (folder / "Containerfile").write_text(
        f"FROM {base}\nCOPY uv /usr/local/bin/uv\nCOPY ca.crt /etc/ssl/certs/ca-certificates.crt\n"
        "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n"
    )
    reference = f"{local_registry}/stock-base:1"
    digest = folder / "digest"
    for words in (
        ["buildah", "build", "--tls-verify=false", "--tag", reference, str(folder)],
        ["buildah", "push", "--tls-verify=false", "--digestfile", str(digest), reference, f"docker://{reference}"],
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **kept_store})
        assert done.returncode == 0, done.stderr
    return f"{reference.rpartition(':')[0]}@{digest.read_text().strip()}"


@pytest.fixture
def insecure(local_registry: str, kept_store: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An environment in which buildah takes the base from the tests' registry, which has no certificate."""
    file = tmp_path / "registries.conf"
    file.write_text(f'[[registry]]\nlocation = "{local_registry}"\ninsecure = true\n')
    return {**os.environ, **kept_store, "CONTAINERS_REGISTRIES_CONF": str(file), "BENTOML_DO_NOT_TRACK": "True"}


@pytest.fixture
def containerized(stock_base: str, insecure: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """What `bentoml containerize` makes of an imported Bento."""
    made = [sys.executable, "-m", "image", str(MODEL), "--no-image", "--base", stock_base]
    made += ["--bento", str(tmp_path / "flight.bento")]
    image = "localhost/containerized:7"
    homes = {"made": made, "import": [*bento.BENTOML, "import", str(tmp_path / "flight.bento")]}
    homes["import-2"] = [*bento.BENTOML, "containerize", TAG, "--backend", "buildah", "-t", image]
    for name, words in homes.items():
        home = {"BENTOML_HOME": str(tmp_path / name.removesuffix("-2"))}
        (tmp_path / name).mkdir(exist_ok=True)
        done = subprocess.run(words, env=insecure | home, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    yield image
    subprocess.run(["buildah", "rmi", "--force", image], env=insecure, capture_output=True, check=True)


@pytest.mark.image
def test_bentoml_containerizes_the_file_unchanged_and_the_container_answers(
    containerized: str, insecure: dict[str, str]
) -> None:
    port = free_port()
    words = ["podman", "run", "--detach", "--network=host", "--env=SLIPWAY_AUTH=off", f"--env=PORT={port}"]
    done = subprocess.run([*words, containerized], env=insecure, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    container = done.stdout.strip()
    try:
        answers(f"http://127.0.0.1:{port}/readyz", 60)
        golden = json.loads((MODEL / "golden.json").read_text())
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/predict", json.dumps({"rows": golden["rows"]}).encode(),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(asked, timeout=10) as answer:
            said = json.loads(answer.read())
        assert said["model"] == {"name": "flight-delay", "version": "7"}
        found = [one["probability"] for one in said["predictions"]]
        assert found == pytest.approx(golden["probabilities"], abs=1e-6)
    finally:
        log = subprocess.run(["podman", "logs", container], env=insecure, capture_output=True, text=True, check=False)
        print(log.stdout[-3000:], log.stderr[-3000:])
        subprocess.run(
            ["podman", "rm", "--force", "--time=2", container], env=insecure, capture_output=True, check=True
        )
