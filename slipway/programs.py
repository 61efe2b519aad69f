"""External programs, found and started in one place: a missing one is named, with what it is for and how to get it.

Owns the table of programs. The project's own interpreter (`sys.executable`) and servers that come as wheels are not
external. Refuses nothing: a program's output and exit code are the caller's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import SlipwayError, Unavailable

NoAnswer = subprocess.TimeoutExpired


@dataclass(frozen=True)
class Program:
    """What a program is for, and what to type to get it."""

    purpose: str
    install: str


def _debian(package: str, purpose: str) -> Program:
    return Program(purpose, f"apt-get install {package}, or the package of another system that has it")


KUBERNETES = "install it: https://kubernetes.io/docs/tasks/tools/"
PROGRAMS = {
    "buildah": _debian("buildah", "builds images, or podman or docker does"),
    "docker": Program("builds and runs containers", "install it: https://docs.docker.com/engine/install/"),
    "dvc": Program("compares the data and parameters of two commits", "make setup"),
    "git": _debian("git", "reads and writes commits; 2.34 or newer"),
    "gpg": _debian("gnupg", "makes and verifies OpenPGP signatures"),
    "kind": Program("makes a Kubernetes cluster in Docker", "install it: https://kind.sigs.k8s.io/"),
    "kubectl": Program("asks the cluster, and builds manifests", KUBERNETES),
    "kustomize": Program("builds manifests", f"make manifest-tools, or kubectl in its place: {KUBERNETES}"),
    "ldconfig": _debian("libc-bin", "lists the libraries of an image"),
    "ldd": _debian("libc-bin", "lists the libraries of an image"),
    "mlflow": Program("runs MLflow's server", "make setup"),
    "podman": _debian("podman", "builds images, or buildah or docker does"),
    "skopeo": _debian("skopeo", "looks up the digest of an image, and copies images"),
    "ssh": _debian("openssh-client", "reaches a Git remote over ssh"),
    "ssh-keygen": _debian("openssh-client", "makes and verifies SSH signatures"),
    "syft": Program("lists the packages of an image", "pip install 'slipway[image]'"),
    "uv": Program("installs the packages of an image as uv.lock pins them", "pip install 'slipway[image]'"),
    "weed": Program("serves S3 on this machine", "make setup"),
}


def missing(name: str, purpose: str | None = None) -> Unavailable:
    """Return the error for a program that is not installed; `purpose` for one that is not in the table."""
    own = Program(purpose or "is called by another program", f"install the package that has {name}")
    known = PROGRAMS.get(Path(name).name, own)
    return Unavailable(
        f"`{name}` is not installed; it {known.purpose}",
        expected=f"{name} on PATH",
        found="no such program",
        hint=f"{known.install}; then run the same command again",
    )


def path(name: str, search: str | None = None) -> str:
    """Return where a program is, on PATH or on the path `search`.

    Raises:
        Unavailable: it is not installed.
    """
    found = shutil.which(name, path=search)
    if found is None:
        raise missing(name)
    return found


def run(words: Sequence[str | Path], *, purpose: str | None = None, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a program to its end as `subprocess.run` does, whatever its exit code.

    Raises:
        Unavailable: the program is not installed or cannot be started, or the folder to run it in is gone.
        NoAnswer: it took longer than `timeout` seconds.
    """
    try:
        return subprocess.run(words, **{"check": False} | options)
    except OSError as error:
        raise _unstarted(str(words[0]), error, options, purpose) from error


def require(names: Sequence[str]) -> None:
    """See that programs are installed.

    Raises:
        Unavailable: one is not.
    """
    for name in names:
        path(name)


def _unstarted(name: str, error: OSError, options: dict[str, Any], purpose: str | None) -> Unavailable:
    search = (options.get("env") or os.environ).get("PATH")
    folder = options.get("cwd")
    if folder is not None and not Path(folder).is_dir():
        return Unavailable(f"{folder} is gone; {name} was to run there", expected="a folder", hint=f"ls -d {folder}")
    if isinstance(error, FileNotFoundError) and shutil.which(name, path=search) is None:
        return missing(name, purpose)
    return Unavailable(
        f"`{name}` cannot be started",
        expected=f"a program that runs on this machine: {shutil.which(name, path=search) or name}",
        found=error.strerror or str(error),
        hint=f"{name} --version",
    )


if __name__ == "__main__":
    try:
        require(sys.argv[1:])
    except SlipwayError as lacking:
        print(f"error: {lacking}", file=sys.stderr)
        sys.exit(lacking.exit_code)
