"""What goes into an image, laid out in a folder, and the digest of it all.

Owns which files of the project are the application and which packages it needs: those of the
`serving` extra in uv.lock, wheels only, each checked against its hash there. Refuses to resolve
anything at build time.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from image.rootfs import EPOCH
from slipway import programs
from slipway.errors import BadInput, Unavailable

HERE = Path(__file__).parent
PYTHON_VERSION = (3, 11)  # of the base image; wheels are chosen for it
PYTHON = ".".join(map(str, PYTHON_VERSION))
GLIBC = 28  # 2.28; the newest that Debian 12, the oldest base we name, can satisfy is 2.36
MACHINES = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
APPLICATION = (
    "slipway/__init__.py",
    "slipway/artifact.py",
    "slipway/errors.py",
    "slipway/json_text.py",
    "slipway/logs.py",
    "slipway/atomic.py",
    "slipway/breaker.py",
    "slipway/names.py",
    "slipway/processes.py",
    "slipway/redaction.py",
    "slipway/room.py",
    "slipway/task.py",
    "slipway/tasks/**/*",
    "slipway/threads.py",
    "serving/**/*",
    "journal/**/*",
)
CHECKOUT = "run this command in a checkout of the project"


@dataclass(frozen=True)
class Runtime:
    """Everything of the image but the model: its inputs, named by one digest."""

    source: Path
    base: str
    requirements: str
    files: tuple[str, ...]
    digest: str

    @property
    def image(self) -> str:
        """The runtime's image in the local store; its name is what is in it."""
        return f"localhost/slipway-runtime:{self.digest}"


def describe(source: Path, base: str) -> Runtime:
    """Read the application's files and requirements under `source`; build nothing.

    Raises:
        BadInput: `source` is not a checkout, or uv.lock does not fit pyproject.toml.
    """
    files = application_files(source)
    requirements = export_requirements(source)
    digest = hashlib.sha256()
    parts = [base.partition("@")[2], PYTHON, _platform(), requirements]
    contents = {name: HERE / name for name in ("Containerfile", "rootfs.py", "bento.py", "bento_recipe.py")}
    contents |= {name: source / name for name in (*files, "bentofile.yaml")}
    for part in [*parts, *contents]:
        digest.update(hashlib.sha256(part.encode()).digest())
    for path in contents.values():
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return Runtime(source, base, requirements, files, digest.hexdigest())


def application_files(source: Path) -> tuple[str, ...]:
    """Name the files of the application, relative to `source`, sorted."""
    found = {path.relative_to(source) for pattern in APPLICATION for path in source.glob(pattern) if path.is_file()}
    compiled = {path for path in found if path.suffix == ".pyc"}
    kept = sorted(map(str, found - compiled))
    for name in ("serving/__init__.py", "bentofile.yaml"):
        if not (source / name).is_file():
            expected = f"{name} in {source}"
            raise BadInput("no application to package", expected=expected, found="nothing", hint=CHECKOUT)
    return tuple(kept)


def export_requirements(source: Path, *extras: str) -> str:
    """Return the pinned requirements of the `serving` extra, with hashes, from uv.lock.

    Raises:
        BadInput: there is no uv.lock, or it does not fit.
    """
    if not (source / "uv.lock").is_file():
        raise BadInput(
            "no uv.lock: the image's packages are pinned there",
            expected=f"a checkout of the project at {source}",
            found="a folder without uv.lock",
            hint=CHECKOUT,
        )
    command = ["uv", "export", "--quiet", "--locked", "--project", str(source), "--format", "requirements.txt"]
    command += ["--no-emit-project", "--no-default-groups", "--no-header", "--no-annotate"]
    for extra in ("serving", *extras):
        command += ["--extra", extra]
    done = programs.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BadInput("uv.lock does not fit pyproject.toml", found=done.stderr.strip(), hint="uv lock")
    return str(done.stdout)


def install_packages(requirements: str, folder: Path) -> None:
    """Install wheels to `folder` for the image's Python and platform, every hash checked.

    Raises:
        Unavailable: the package index did not give them.
    """
    listing = folder.parent / "requirements.txt"
    listing.write_text(requirements)
    command = ["uv", "pip", "install", "--quiet", "--target", str(folder), "--link-mode", "copy", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--python-version", PYTHON]
    command += ["--python-platform", _platform(), "--no-progress", "--no-config", "-r", str(listing)]
    done = programs.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(
            "cannot install the image's packages",
            expected="every wheel of uv.lock, with its hash",
            found=done.stderr.strip()[-800:],
            hint="check the network and UV_INDEX_URL, then run the same command again",
        )
    _prune(folder)
    settle(folder)


def copy_files(source: Path, names: tuple[str, ...], folder: Path) -> None:
    """Copy the named files to `folder`, with one time and mode."""
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)
    settle(folder)


def settle(folder: Path) -> None:
    """Give every entry one time, and modes that do not depend on the builder's umask."""
    for place, _, files in os.walk(folder):
        for name in files:
            path = Path(place, name)
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
            os.utime(path, (EPOCH, EPOCH))
        Path(place).chmod(0o755)
        os.utime(place, (EPOCH, EPOCH))


def remove_compiled(folder: Path) -> None:
    """Remove the bytecode that an import left in `folder`."""
    for cache in sorted(folder.rglob("__pycache__")):
        shutil.rmtree(cache)


def _prune(folder: Path) -> None:
    # Scripts point at the builder's Python; tests, headers and stubs are never imported.
    shutil.rmtree(folder / "bin", ignore_errors=True)
    (folder / ".lock").unlink(missing_ok=True)
    for name in ("numpy/**/tests", "onnxruntime/tools", "onnxruntime/transformers", "onnxruntime/quantization"):
        for path in sorted(folder.glob(name)):
            shutil.rmtree(path)
    for name in ("**/*.pyi", "**/*.h", "**/*.a", "**/*.pyc", "*.dist-info/RECORD"):
        for path in sorted(folder.glob(name)):
            path.unlink()


def _platform() -> str:
    machine = platform.machine().lower()
    if machine not in MACHINES:
        raise BadInput(
            "there are no wheels for this machine's processor",
            expected=" or ".join(MACHINES),
            found=machine,
            hint="build the image on a machine with one of these processors",
        )
    return f"{MACHINES[machine]}-manylinux_2_{GLIBC}"
