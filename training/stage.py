"""The entry point of a DVC stage, `python -m training.stage NAME`: runs it, and turns its errors into exit codes.

NAME is a module of this room, or of the project's own with its package before it: `flights.prepare`.

DVC reads sources and parameters when a stage has ended and records them as what ran. So they are looked at before
the stage is imported and again at its end; what was written meanwhile refuses the run, and its outputs are removed.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import BadInput, Refused, SlipwayError

HASHED_BYTES = 1 << 24  # larger files are compared by size and times alone, not read twice more
SHOWN = 5


@dataclass(frozen=True)
class Sources:
    """What a stage reads according to dvc.yaml, as it is now, and the files that it writes."""

    files: dict[str, tuple[Any, ...] | None]
    params: dict[str, Any]
    outputs: tuple[Path, ...]


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main` whose module is imported already; a SlipwayError becomes its text and its exit code."""
    spec = sys.modules["__main__"].__spec__
    _run(spec.name.rpartition(".")[2] if spec else "", lambda: main)


def sources(name: str) -> Sources | None:
    """Read from dvc.yaml the stage around this process, or of `name`; None where DVC runs no such stage.

    Raises:
        BadInput: DVC cannot read dvc.yaml.
    """
    if not any((folder / ".dvc").is_dir() for folder in (Path.cwd(), *Path.cwd().parents)):
        return None
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            stage = _stage(repo, os.environ.get("DVC_STAGE", name).rpartition(":")[2])
            return None if stage is None else _read(repo, stage)
    except NotDvcRepoError:
        return None
    except DvcException as error:
        raise BadInput("DVC cannot read dvc.yaml", found=" ".join(str(error).split()), hint="dvc status") from error


def refuse_changed(name: str, before: Sources, after: Sources) -> None:
    """Compare what a stage found at its start with what is there at its end, and remove its outputs where they differ.

    Raises:
        Refused: a source or a parameter was changed in between.
    """
    changed = sorted(_differ(before.files, after.files))
    changed += [f"{key} (was {before.params.get(key)!r})" for key in sorted(_differ(before.params, after.params))]
    if not changed and before.outputs == after.outputs:
        return
    for path in before.outputs:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    raise Refused(
        f"what the stage {name} is made of was changed while it ran; its outputs are removed",
        expected="the same sources and parameters from start to end, since DVC records those of the end as what ran",
        found=(", ".join(changed[:SHOWN]) or "other outputs in dvc.yaml") + more,
        hint="dvc repro, and edit after it has ended",
    )


def guarded(name: str, load: Callable[[], Callable[[], None]]) -> None:
    """Run the stage that `load` imports, and hold its sources at its end against those at its start.

    Raises:
        SlipwayError: the stage's own, or Refused where a source or a parameter was changed in between.
    """
    before = sources(name)
    load()()
    if before is not None and (after := sources(name)) is not None:
        sys.stdout.flush()
        refuse_changed(name, before, after)


def load(name: str) -> Callable[[], None]:
    """Import a stage of this package, or of the one that stands before it, and return its `main`."""
    own, _, stage = name.rpartition(".")
    main: Callable[[], None] = importlib.import_module(f"{own or 'training'}.{stage}").main
    return main


def _run(name: str, load: Callable[[], Callable[[], None]]) -> None:
    try:
        guarded(name, load)
    except SlipwayError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _stage(repo: Any, name: str) -> Any:
    here = Path("dvc.yaml").resolve()
    known = repo.stage.load_all(str(here)) if here.is_file() else []
    found = [one for one in known if one.name == name] or [
        one for one in repo.index.stages if getattr(one, "name", None) == name and Path(one.wdir) == here.parent
    ]
    return found[0] if found else None


def _read(repo: Any, stage: Any) -> Sources:
    files: dict[str, tuple[Any, ...] | None] = {}
    params: dict[str, Any] = {}
    for dependency in stage.deps:
        if hasattr(dependency, "read_params"):
            params |= {f"{key} in {dependency}": value for key, value in dependency.read_params().items()}
        elif dependency.protocol == "local":
            path = Path(dependency.fs_path)
            files |= {os.path.relpath(one): _mark(one) for one in _below(repo, path)}
    outputs = tuple(Path(one.fs_path) for one in stage.outs if one.protocol == "local" and not one.persist)
    return Sources(files, params, outputs)


def _below(repo: Any, path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for file in repo.dvcignore.find(repo.fs, str(path)):
        if "__pycache__" not in Path(file).parts:  # the stage's own imports write it
            yield Path(file)


def _mark(path: Path) -> tuple[Any, ...] | None:
    """Return what is another after any write, be it of the same bytes: what was read in between is unknown."""
    try:
        now = path.stat()
        if now.st_size > HASHED_BYTES:
            return now.st_size, now.st_mtime_ns, now.st_ctime_ns
        return now.st_size, now.st_mtime_ns, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except FileNotFoundError:
        return None


def _differ(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    absent = object()
    return {key for key in before.keys() | after.keys() if before.get(key, absent) != after.get(key, absent)}


def main(name: str) -> None:
    """Run the stage `name` of this package, or of the one that stands before it."""
    _run(name.rpartition(".")[2], lambda: load(name))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m training.stage NAME, a stage of dvc.yaml, its package before it if that is another")
    main(sys.argv[1])
