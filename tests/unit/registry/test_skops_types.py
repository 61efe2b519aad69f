from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from registry.skops_types import types
from slipway.errors import BadInput

SOUND = {"__class__": "Pipeline", "__module__": "sklearn.pipeline", "__loader__": "ObjectNode"}


def archive(folder: Path, tree: Any, *others: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    file = folder / "model.skops"
    with zipfile.ZipFile(file, "w") as made:
        if tree is not None:
            made.writestr("schema.json", json.dumps(tree))
        for name, content in others:
            made.writestr(name, content)
    return file


def link(name: str) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name)
    found.external_attr = (stat.S_IFLNK | 0o777) << 16
    return found


def test_types_of_scikit_learn_are_listed(tmp_path: Path) -> None:
    assert types(archive(tmp_path, SOUND)) == ["sklearn.pipeline.Pipeline"]


@pytest.mark.parametrize(
    "node",
    [
        SOUND | {"__loader__": "FunctionNode"},
        SOUND | {"__loader__": "MethodNode"},
        SOUND | {"__loader__": "ReduceNode"},
        SOUND | {"__module__": "subprocess", "__class__": "Popen"},
        SOUND | {"__module__": "builtins", "__class__": "eval"},
        SOUND | {"__module__": "sklearnx"},
        SOUND | {"__class__": "a.b"},
        {"__class__": "Pipeline"},
    ],
)
def test_a_type_that_is_not_listed_is_refused_however_deep(tmp_path: Path, node: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="refused without loading it"):
        types(archive(tmp_path, SOUND | {"content": [{"steps": node}]}))


def test_paths_out_of_the_archive_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    others = (("../evil", b"x"), (f"{tmp_path}/evil", b"x"), (link("evil"), b"/etc/passwd"))
    assert types(archive(tmp_path / "inner", SOUND, *others)) == ["sklearn.pipeline.Pipeline"]
    assert [one.name for one in tmp_path.rglob("*")] == ["inner", "model.skops"]


def test_a_link_in_the_place_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text(json.dumps(SOUND))
    with pytest.raises(BadInput, match="skops"):
        types(archive(tmp_path, None, (link("schema.json"), str(tmp_path / "elsewhere.json").encode())))


def test_a_tree_that_unpacks_to_more_than_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.skops_types.SCHEMA_LIMIT", 1000)
    with pytest.raises(BadInput, match="too large"):
        types(archive(tmp_path, SOUND | {"content": " " * 1000}))


def test_a_tree_nested_too_deep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="skops"):
        types(archive(tmp_path, None, ("schema.json", b"[" * 200_000)))
