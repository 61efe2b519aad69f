"""A path as MLflow's database has it: a `file:` URI or plain text, below which project, with which id in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from slipway.tracking_uri import STORE

# The second is MLflow's own choice where no folder is named, below the one that a command was typed in.
FOLDERS = (STORE, Path("mlruns"))
ID = re.compile(r"(m-)?[0-9a-f]{32}")


@dataclass(frozen=True)
class Stored:
    """One path, and whether it was written as a URI."""

    path: Path
    uri: bool

    def at(self, path: Path) -> str:
        """Write another path the same way."""
        return f"file://{quote(str(path))}" if self.uri else str(path)

    def projects(self) -> Iterator[Path]:
        """Return the folders that this could be a file of the embedded store of."""
        parts = self.path.parts
        for folder in FOLDERS:
            wanted = folder.parts
            for index in range(1, len(parts) - len(wanted) + 1):
                if parts[index : index + len(wanted)] == wanted:
                    yield Path(*parts[:index])

    def has_an_id(self, top: Path) -> bool:
        """Say whether the part below `top` names a run or a model, which no two stores have alike."""
        return any(ID.fullmatch(part) for part in self.path.relative_to(top).parts)


def stored(text: object) -> Stored | None:
    """Read an absolute path of this machine; None where the text is something else."""
    if not isinstance(text, str):
        return None
    if text.startswith("file:"):
        host, slash, rest = text.removeprefix("file:").removeprefix("//").partition("/")
        path = unquote(slash + rest)
        known = bool(slash) and host in ("", "localhost")
        return Stored(Path(path), True) if known and ".." not in path.split("/") else None
    plain = text.startswith("/") and ".." not in text.split("/")
    return Stored(Path(text), False) if plain else None


def ours(path: Path, top: Path) -> bool:
    """Say whether a path is in a folder of the embedded store of the project `top`."""
    return any(path.is_relative_to(top / folder) for folder in FOLDERS)
