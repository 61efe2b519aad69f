"""The Bento of the application: BentoML checks the service and lists its files.

Owns the bentofile that packaging uses. The Bento holds no model, so it is built only when the
code or the packages change; docs/adr/0030-image.md explains why the image is not BentoML's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from image import context
from slipway.errors import BadInput

SERVICE = "serving.service:Slipway"
BENTOFILE = """\
service: "{service}"
name: slipway
include: ["slipway/", "serving/", "journal/"]
python: {{requirements_txt: requirements.txt, lock_packages: false}}
docker: {{base_image: "{base}"}}
"""


def build(runtime: context.Runtime, folder: Path) -> Path:
    """Build the Bento of `runtime` below `folder` and return its `src`, the application.

    Raises:
        BadInput: BentoML refuses the service.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-bento-") as staging:
        stage = Path(staging)
        context.copy_files(runtime.source, runtime.files, stage)
        (stage / "requirements.txt").write_text(runtime.requirements)
        (stage / "bentofile.yaml").write_text(BENTOFILE.format(service=SERVICE, base=runtime.base))
        _bentoml(stage, folder, runtime.digest[:16])
    source = folder / "bentos" / "slipway" / runtime.digest[:16] / "src"
    for name in ("bentofile.yaml", "requirements.txt", "README.md"):
        (source / name).unlink(missing_ok=True)
    for cache in sorted(source.rglob("__pycache__")):
        shutil.rmtree(cache)
    return source


def _bentoml(stage: Path, home: Path, version: str) -> None:
    command = [sys.executable, "-B", "-m", "bentoml", "build", "--version", version, "--output", "tag", str(stage)]
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(stage)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=stage)
    if done.returncode:
        raise BadInput(
            "BentoML refuses the service",
            expected=f"{SERVICE} to be a BentoML service",
            found=(done.stderr or done.stdout).strip()[-800:],
            hint="bentoml build  (shows the complete trace)",
        )
