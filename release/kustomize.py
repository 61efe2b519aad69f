"""The one builder of manifests: kustomize on PATH, or kubectl in its place."""

from __future__ import annotations

import shutil
from pathlib import Path

from slipway import programs
from slipway.errors import BadInput, Unavailable

TIMEOUT_SECONDS = 60


def build(overlay: Path, program: str | None = None) -> str:
    """Return the YAML that kustomize makes of a folder; `program` is the kustomize to run, and no other will do.

    Raises:
        BadInput: it cannot be built.
        Unavailable: neither kustomize nor kubectl is installed, or it does not end.
    """
    words = [*_command(program), str(overlay)]
    try:
        ran = programs.run(words, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except programs.NoAnswer as error:
        raise Unavailable(
            "kustomize gave no answer",
            expected=f"one within {TIMEOUT_SECONDS} s",
            found=f"none from `{' '.join(words)}`",
            hint="run the same command again",
        ) from error
    if ran.returncode:
        raise BadInput(
            f"kustomize cannot build {'/'.join(overlay.parts[-2:])}",
            found=ran.stderr.strip()[-800:],
            hint="fix what kustomize names in the overlay, then run the same command again",
        )
    return str(ran.stdout)


def _command(program: str | None) -> list[str]:
    instead = program is None and shutil.which("kustomize") is None and shutil.which("kubectl") is not None
    return ["kubectl", "kustomize"] if instead else [program or "kustomize", "build"]
