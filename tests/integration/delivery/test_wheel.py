"""The wheel, installed beside its libraries: one name in site-packages, and every command works from it."""

from __future__ import annotations

import os
import site
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.fixtures.images import ROOT
from tests.fixtures.servers import free_port, wait_until
from tools.rooms import PROJECT, ROOMS

pytestmark = pytest.mark.long  # builds a wheel and an environment

MODEL = ROOT / "tests/fixtures/flight-delay"
UV = str(Path(sys.executable).with_name("uv"))
OTHERS = {"_virtualenv.py", "_virtualenv.pth", "libraries.pth", "__pycache__"}
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "PYTHON"))}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel alone, which finds the libraries of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([UV, "build", "--quiet", "--wheel", "--out-dir", folder / "dist", ROOT], check=True)
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    python = folder / "venv/bin/python"
    subprocess.run([UV, "pip", "install", "--quiet", "--no-deps", "--python", python, wheel], check=True)
    (packages(folder / "venv") / "libraries.pth").write_text("\n".join(site.getsitepackages()))
    return folder / "venv"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's project, with folders of the rooms' names that must never be imported."""
    for room in ROOMS:
        if room != "slipway":
            (tmp_path / room).mkdir()
            (tmp_path / room / "__init__.py").write_text("raise SystemExit(99)")
    return tmp_path


def packages(environment: Path) -> Path:
    (found,) = environment.glob("lib/python*/site-packages")
    return found


def slipway(environment: Path, project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(environment / "bin/slipway"), *words]
    return subprocess.run(command, cwd=project, env=CLEAN, capture_output=True, text=True, check=False)


def test_site_packages_gets_one_name(environment: Path) -> None:
    own = {path.name for path in packages(environment).iterdir()} - {
        "_virtualenv.py",
        "_virtualenv.pth",
        "libraries.pth",
    }
    assert {name for name in own if not name.endswith((".dist-info", "__pycache__"))} == {"slipway"}
    assert {path.name for path in (packages(environment) / "slipway/rooms").iterdir()} == set(ROOMS) - {
        "slipway",
        "flights",
    }


def test_a_checkout_is_installed_without_a_copy_of_its_rooms(tmp_path: Path) -> None:
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run([UV, "pip", "install", "--quiet", "--no-deps", "--python", python, "--editable", ROOT], check=True)
    names = {path.name for path in packages(tmp_path / "venv").iterdir()} - OTHERS
    assert {name for name in names if not name.endswith((".dist-info", ".pth"))} == set()
    code = "import serving, slipway, training; print(serving.__file__, slipway.__file__, training.__file__)"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, env=CLEAN, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(ROOT / name / "__init__.py") for name in ("serving", "slipway", "training")]


def test_the_wheel_carries_every_file_of_its_rooms(environment: Path) -> None:
    carried = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["sources"]
    command = ["git", "ls-files", *carried]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    rooms = packages(environment) / "slipway/rooms"
    assert len(listed) > 100
    assert [name for name in listed if not (rooms / name).is_file()] == []


def test_no_room_can_be_imported_by_anybody_else(environment: Path, tmp_path: Path) -> None:
    for room in ROOMS:
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({room!r}) is not None)"
        done = subprocess.run([environment / "bin/python", "-c", code], cwd=tmp_path, env=CLEAN, check=False)
        assert done.returncode == (room == "slipway"), room


@pytest.mark.parametrize("words", [[], ["train"], ["validate"], ["export"], ["stage"], ["serve"], ["score"], ["stack"]])
def test_help_comes_from_the_wheel_whatever_the_project_has(environment: Path, project: Path, words: list[str]) -> None:
    done = slipway(environment, project, *words, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: slipway" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["train"], 3, "params.yaml"),
        (["evaluate"], 3, "params.yaml"),
        (["score", "in.parquet", "out.parquet", "--model", "flight-delay@7"], 3, "flight-delay"),  # export, on its own
        (["stack", "status"], 3, "slipway stack up"),
    ],
)
def test_a_command_runs_and_its_errors_have_their_exit_code(
    environment: Path, project: Path, words: list[str], code: int, expected: str
) -> None:
    done = slipway(environment, project, *words)
    assert done.returncode == code, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_the_server_of_the_wheel_answers(environment: Path, project: Path) -> None:
    port = free_port()
    command = [str(environment / "bin/slipway"), "serve", str(MODEL), "--no-auth", "--port", str(port)]
    settings = CLEAN | {"SLIPWAY_DRAIN_SECONDS": "0"}
    server = subprocess.Popen(command, cwd=project, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: _ready(port), 60, "the server being ready")
        assert httpx.get(f"http://127.0.0.1:{port}/version").json()["model"]["version"] == "7"
    finally:
        server.terminate()
        _, complaint = server.communicate(timeout=20)
    assert server.returncode == 0, complaint


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False
