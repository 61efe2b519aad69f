"""compose.yaml as podman-compose reads it: nothing open, nothing unpinned, everything asked for its health."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.act import Here, fresh_clone
from tests.fixtures.pages import held_by
from tests.fixtures.shell import Shell

ROOT = Path(__file__).parents[3]
FILES = {"images": ["compose.yaml"], "debian": ["compose.yaml", "deploy/compose/debian.yaml"]}
DEV = {"postgres", "redis", "s3", "mlflow", "api"}
FULL = DEV | {"git", "prometheus", "alertmanager", "grafana"}


def read(files: list[str], profile: str) -> dict[str, Any]:
    program = str(Path(sys.executable).with_name("podman-compose"))
    words = [word for file in files for word in ("-f", file)]
    command = [program, *words, "--profile", profile, "config"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


@pytest.fixture(scope="module", params=FILES)
def composed(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read(FILES[request.param], "full")


@pytest.mark.image  # podman-compose asks podman for its version
def test_profiles_hold_what_they_are_for(composed: dict[str, Any]) -> None:
    profiles = {name: set(service["profiles"]) for name, service in composed["services"].items()}
    assert {name for name, found in profiles.items() if "dev" in found} == DEV
    assert {name for name, found in profiles.items() if "full" in found} == FULL == set(profiles)


@pytest.mark.image  # podman-compose asks podman for its version
def test_every_service_is_asked_for_its_health_and_listens_on_this_machine_alone(composed: dict[str, Any]) -> None:
    for name, service in composed["services"].items():
        assert service["healthcheck"]["test"], name
        assert service["ports"], name
        assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service["ports"]), name


@pytest.mark.image  # podman-compose asks podman for its version
def test_every_image_has_an_exact_version(composed: dict[str, Any]) -> None:
    for name, service in composed["services"].items():
        tag = service["image"].rpartition(":")[2]
        assert tag in ("dev", "debian") or re.match(r"v?\d+\.\d+", tag), name


@pytest.mark.image  # podman-compose asks podman for its version
def test_no_password_stands_in_the_open(composed: dict[str, Any]) -> None:
    for name, service in composed["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY", variable):
                assert str(value).startswith("/run/secrets/"), f"{name} {variable}"
    paths = {secret["file"] for secret in composed["secrets"].values()}
    assert all(path.startswith(("var/compose/", "var/auth/")) for path in paths)
    ignored = subprocess.run(["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True, check=False)
    assert set(ignored.stdout.split()) == paths


@pytest.mark.image  # podman-compose asks podman for its version
def test_what_the_page_types_is_taken(tmp_path: Path) -> None:
    """Type the page: podman-compose, in Docker's place too, says what it would do, and buildah notes its words."""
    here = Here(tmp_path)
    clone = fresh_clone(tmp_path)
    (clone / ".venv").symlink_to(ROOT / ".venv")
    program = Path(sys.executable).with_name("podman-compose")
    here.program("docker", f'shift; exec "{program}" --dry-run "$@"')
    here.program("podman-compose", f'exec "{program}" --dry-run "$@"')
    here.program("buildah")
    paths = [str(tmp_path / "bin"), str(program.parent), os.environ["PATH"]]
    shell = Shell(clone, os.environ | {"PATH": os.pathsep.join(paths)})
    try:  # nothing is installed here
        shell.run('make() { command make --old-file=setup --old-file=.venv/synced "$@"; }', 10)
        blocks = held_by("tests/integration/devstack/test_compose.py::test_what_the_page_types_is_taken")
        for step in [step for block in blocks for step in block.steps]:
            printed, code = shell.run(step.command, 120)
            assert code == 0, f"{step.command} ended with {code}:\n" + "\n".join(printed)
    finally:
        shell.close()
    assert here.asked("docker") == ["compose --profile dev up --build"]
    assert here.asked("podman-compose") == ["-f compose.yaml -f deploy/compose/debian.yaml --profile dev up -d"]
    assert len(built := here.asked("buildah")) == 2
    assert all("--build-arg BASE=localhost/debian-python:bookworm" in one for one in built)
    assert (clone / "var/compose/grafana_password").exists()


@pytest.mark.long
def test_make_secrets_writes_every_secret_once(tmp_path: Path) -> None:
    said = yaml.safe_load((ROOT / "compose.yaml").read_text())
    wanted = {Path(secret["file"]) for secret in said["secrets"].values()}
    command = [sys.executable, "-m", "slipway", "stack", "secrets"]
    contents = []
    for _ in range(2):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        contents.append({path: (tmp_path / path).read_text() for path in wanted})
    assert contents[0] == contents[1]
    assert (tmp_path / "var/compose").stat().st_mode & 0o777 == 0o700


@pytest.mark.image  # podman-compose asks podman for its version
def test_every_mounted_file_is_there(composed: dict[str, Any]) -> None:
    for service in composed["services"].values():
        for volume in service.get("volumes", []):
            source = str(volume).split(":")[0]
            assert not source.startswith("./") or (ROOT / source).exists(), source


def test_the_script_of_the_containers_parses() -> None:
    bash = shutil.which("bash")
    assert bash
    subprocess.run([bash, "-n", str(ROOT / "deploy/compose/run")], check=True)
