"""The Bento of a model version: the application, its packages and the model in BentoML's own formats.

Owns what decides its bytes and the process that makes it. The image takes the application from it and carries its
bento.yaml; docs/adr/0105-a-complete-bento.md explains why both exist.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from image import context, lineage, wheels
from slipway import artifact
from slipway.errors import BadInput

RECIPE = context.HERE / "bento_recipe.py"
INPUTS = "slipway.bento-inputs"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
# What is there for BentoML alone; the image's application goes without.
ADDED = ("bentofile.yaml", "requirements.txt", "README.md")


@dataclass(frozen=True)
class Recipe:
    """What decides a Bento beside the application and the model; `created` is in seconds since 1970."""

    name: str
    version: str
    labels: dict[str, str]
    description: str
    base: str
    created: int
    onnxruntime: str
    python: str
    requirements: str

    @property
    def tag(self) -> str:
        """BentoML's name for the Bento and for its model."""
        return f"{self.name}:{self.version}"

    @property
    def inputs(self) -> str:
        """The digest of everything that the Bento is made of; one of its labels."""
        return self.labels[INPUTS]


@dataclass(frozen=True)
class Bento:
    """A Bento and its model, in folders laid out as BentoML's stores keep them."""

    recipe: Recipe
    folder: Path
    model: Path

    @property
    def description(self) -> bytes:
        """The content of its bento.yaml."""
        return (self.folder / "bento.yaml").read_bytes()


def recipe(runtime: context.Runtime, folder: Path, manifest: dict[str, Any], epoch: int) -> Recipe:
    """Describe the Bento of the exported version in `folder`; build nothing.

    Raises:
        BadInput: BentoML takes no such name, or a package has no wheel that fits.
    """
    name, version = manifest["model"]["name"], manifest["model"]["version"]
    if not NAME.fullmatch(name):
        raise BadInput(
            f"BentoML takes no model called `{name}`",
            expected="lower case letters, digits and hyphens, and no hyphen at an end",
            found=name,
            hint="register the model under another name: `model` in params.yaml",
        )
    requirements = _requirements(runtime.source)
    parts = [runtime.digest, runtime.base, requirements, str(epoch), RECIPE.read_text()]
    parts += [artifact.sha256(folder / file) for file in artifact.FOLDER]
    return Recipe(
        name,
        version,
        lineage.labels(manifest) | {INPUTS: hashlib.sha256("\n".join(parts).encode()).hexdigest()},
        f"{name} version {version}, served by Slipway",
        runtime.base,
        # BentoML's `latest` is the one that was made last, and every other time is `epoch`.
        epoch + (int(version) if version.isdigit() else 0),
        _locked("onnxruntime", requirements),
        context.PYTHON,
        requirements,
    )


def make(recipe: Recipe, runtime: context.Runtime, folder: Path, home: Path) -> Bento:
    """Make the Bento of the version in `folder`, with its model, below `home`.

    Raises:
        BadInput: BentoML refuses the service.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-bento-") as temporary:
        stage, model = Path(temporary, "stage"), Path(temporary, "model")
        context.copy_files(runtime.source, (*runtime.files, "bentofile.yaml"), stage)
        context.copy_files(folder, artifact.FOLDER, model)
        (stage / "requirements.txt").write_text(recipe.requirements)
        described = Path(temporary, "recipe.json")
        described.write_text(json.dumps(asdict(recipe)))
        _run(described, stage, model, home)
    made = Bento(recipe, home / "bentos" / recipe.name / recipe.version, home / "models" / recipe.name / recipe.version)
    for part in (made.folder, made.model):
        context.remove_compiled(part)
        context.settle(part)
    return made


def application(bento: Bento, folder: Path) -> None:
    """Copy to `folder` what the image runs of a Bento."""
    source = bento.folder / "src"
    files = (path.relative_to(source) for path in sorted(source.rglob("*")) if path.is_file())
    context.copy_files(source, tuple(str(path) for path in files if str(path) not in ADDED), folder)


def _run(recipe: Path, stage: Path, model: Path, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-P", "-B", str(RECIPE), str(recipe), str(stage), str(model)]
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(stage)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=stage)
    if done.returncode:
        raise BadInput(
            "BentoML refuses the service",
            expected="the service of bentofile.yaml to be a BentoML service",
            found=(done.stderr or done.stdout).strip()[-800:],
            hint="bentoml serve .  (shows the complete trace)",
        )


def _requirements(source: Path) -> str:
    exported, lock = context.export_requirements(source, "bento"), (source / "uv.lock").read_text()
    return wheels.narrowed(exported, lock, context.PYTHON_VERSION, context.GLIBC)


def _locked(package: str, requirements: str) -> str:
    found = re.search(rf"^{re.escape(package)}==(\S+)", requirements, re.MULTILINE)
    if found is None:
        raise BadInput(f"uv.lock has no {package}", expected=f"{package} in the extra `serving`", hint="uv lock")
    return found[1]
