"""The change to params.yaml that a search recommends, as a patch that `git apply` takes."""

from __future__ import annotations

import difflib
import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap


def hyperparameters(path: Path, estimator: str, found: dict[str, Any]) -> str:
    """Return the unified diff that sets `train.hyperparameters.ESTIMATOR`; comments and order stay.

    Empty when params.yaml has these values already.
    """
    before = path.read_text(encoding="utf-8")
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    content = yaml.load(before)
    chosen = CommentedMap(found)
    chosen.fa.set_flow_style()
    if dict(content["train"]["hyperparameters"].get(estimator, {})) == found:
        return ""
    # Only the one entry is written anew; the file around it keeps its bytes.
    after = _with_entry(before, content, estimator, _entry(yaml, estimator, chosen))
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}"
    )
    return "".join(lines)


def _entry(yaml: YAML, estimator: str, chosen: CommentedMap) -> str:
    buffer = io.StringIO()
    yaml.dump(CommentedMap({estimator: chosen}), buffer)
    return buffer.getvalue().rstrip("\n")


def _with_entry(text: str, content: Any, estimator: str, entry: str) -> str:
    lines = text.splitlines(keepends=True)
    holder = content["train"]["hyperparameters"]
    indent = " " * holder.lc.col
    if estimator not in holder:
        first = holder.lc.line
        return "".join([*lines[:first], f"{indent}{entry}\n", *lines[first:]])
    start = holder.lc.key(estimator)[0]
    end = start + 1
    while end < len(lines) and lines[end].startswith(indent + " "):
        end += 1
    return "".join([*lines[:start], f"{indent}{entry}\n", *lines[end:]])
