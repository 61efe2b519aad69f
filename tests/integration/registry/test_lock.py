"""dvc.lock as DVC itself writes it: folders among sources and outputs, of any shape."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from registry import candidate, lock
from slipway.errors import Refused
from tests.integration.registry import project

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
ODD = {
    "src/a/x": "1",
    "src/a.csv": "2",  # before a/x to a sort by text, behind it to one by path
    "src/a-b": "3",
    "src/é/ü ñ.txt": "4",
    "src/Z": "",
    "src/empty/.keep": "",
    "src/notes.tmp": "ignored",
    "src/cache/deep/file": "ignored",
    "src/lines.txt": "a\r\nb\r\n",
    "src/quote'\"&.txt": "5",
    ".dvcignore": "*.tmp\ncache/\n!keep.tmp\n",
    "src/keep.tmp": "6",
    "src/.git": "ignored by default",
}
COMMAND = "mkdir -p out/deep/er && cp -r src/a src/a.csv out && touch out/deep/er/empty && printf b > out/deep/é"


def dvc(root: Path, *words: str) -> None:
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    subprocess.run(
        [Path(sys.executable).with_name("dvc"), *words, "-q"], cwd=root, env=environment, check=True, timeout=90
    )


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("odd") / "model"  # a folder of its own below the project, as a second model may be
    for path, text in ODD.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())
    (root / ".dvcignore").rename(root.parent / ".dvcignore")
    (root / "src/run").write_text("#!/bin/sh\n")
    (root / "src/run").chmod(0o755)
    (root / "src/link").symlink_to("a.csv")
    (root / "elsewhere").mkdir()
    (root / "elsewhere/file").write_text("7")
    (root / "src/linked").symlink_to("../elsewhere")
    dvc(root.parent, "init", "--no-scm")
    stage = {"cmd": COMMAND, "deps": ["src", "elsewhere"], "outs": ["out"]}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"odd": stage}}))
    dvc(root, "repro")
    return root


def test_a_folder_of_any_shape_has_the_digest_that_dvc_gave_it(odd: Path) -> None:
    found = lock.load(odd)
    found.refuse_stale()
    assert sorted(found.below("out")) == ["out/a.csv", "out/a/x", "out/deep/er/empty", "out/deep/é"]
    assert found.read("out/a/x") == b"1"


def write(path: Path) -> None:
    path.write_text("another")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (write, "src/a/x"),
        (write, "src/keep.tmp"),
        (write, "elsewhere/file"),
        (Path.unlink, "src/Z"),
        (write, "src/new"),
    ],
)
def test_what_changes_in_a_source_folder_is_seen(odd: Path, change: Callable[[Path], object], path: str) -> None:
    before = (odd / path).read_bytes() if (odd / path).exists() else None
    change(odd / path)
    try:
        with pytest.raises(Refused, match="has changed since"):
            lock.load(odd).refuse_stale()
    finally:
        (odd / path).unlink(missing_ok=True)
        if before is not None:
            (odd / path).write_bytes(before)


def test_what_dvc_ignores_changes_nothing(odd: Path) -> None:
    write(odd / "src/notes.tmp")
    write(odd / "src/cache/deep/file")
    lock.load(odd).refuse_stale()


@pytest.mark.long
def test_folders_among_the_outputs_are_registered_file_by_file(root: Path) -> None:
    (root / "reports/plots/deep").mkdir(parents=True)
    (root / "reports/plots/roc.json").write_text("{}")
    (root / "reports/plots/deep/é.json").write_text("[]")
    content = yaml.safe_load((root / "dvc.lock").read_text())
    stage = content["stages"]["train"]
    outs = ["reports", "model", "data/prepared"]
    stage["outs"] = [{"path": out, "hash": "md5", "md5": digest(root / out)} for out in outs]
    (root / "dvc.lock").write_text(yaml.safe_dump(content))
    project.commit(root)
    found = candidate.read(root, allow_dirty=False)
    assert found.reports["plots/deep/é.json"] == b"[]"
    assert found.tags()["data_md5"] == found.lock.below("data/prepared")["data/prepared/train.parquet"]
    (root / "reports/plots/roc.json").write_text("{} ")
    with pytest.raises(Refused, match="reports is not what the last dvc repro made"):
        candidate.read(root, allow_dirty=True)


def digest(folder: Path) -> str:
    """Return the digest that the real DVC writes for a folder."""
    if not (folder.parents[0] / ".dvc").exists():
        dvc(folder.parent, "init", "--no-scm", "-f")
    dvc(folder.parent, "add", "--no-commit", folder.name)
    pointer = folder.with_name(f"{folder.name}.dvc")
    md5 = str(yaml.safe_load(pointer.read_text())["outs"][0]["md5"])
    pointer.unlink()
    return md5
