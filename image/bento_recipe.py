"""Makes a Bento and its model by BentoML's own interface, in a process of its own whose BENTOML_HOME is new.

    python -P image/bento_recipe.py RECIPE.json STAGE MODEL

STAGE holds the application and bentofile.yaml, MODEL the exported version. Imports nothing of the project: the
application that is checked is the one in STAGE. What BentoML would take from this machine or from the clock (times,
its Python's patch release) is set, so that the same recipe gives the same bytes.
"""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bentoml
import yaml
from bentoml.models import ModelContext


def main(recipe_file: Path, stage: Path, model: Path) -> None:
    """Write the model and the Bento to the stores of BENTOML_HOME."""
    recipe = json.loads(recipe_file.read_text())
    stored = add_model(recipe, model)
    settings = yaml.safe_load((stage / "bentofile.yaml").read_text())
    bento = bentoml.bentos.build(
        settings["service"],
        name=recipe["name"],
        version=recipe["version"],
        labels=recipe["labels"],
        description=recipe["description"],
        include=settings["include"],
        python={"requirements_txt": "requirements.txt", "lock_packages": False},
        docker={"base_image": recipe["base"]} if recipe["base"] else {},
        models=[str(stored)],
        build_ctx=str(stage),
    )
    _date(Path(bento.path, "bento.yaml"), recipe["created"])


def add_model(recipe: dict[str, Any], folder: Path) -> bentoml.Tag:
    """Copy the files of `folder` into the model store; nothing is loaded and nothing pickled."""
    tag = bentoml.Tag(recipe["name"], recipe["version"])
    context = ModelContext("onnxruntime", {"onnxruntime": recipe["onnxruntime"]}, python_version=recipe["python"])
    with bentoml.models.create(tag, labels=recipe["labels"], context=context) as made:
        for path in sorted(folder.iterdir()):
            shutil.copyfile(path, made.path_of(path.name))
    _date(Path(bentoml.models.get(tag).path, "model.yaml"), recipe["created"])
    return tag


def _date(path: Path, created: int) -> None:
    content = yaml.safe_load(path.read_text())
    content["creation_time"] = datetime.fromtimestamp(created, UTC).isoformat()
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
