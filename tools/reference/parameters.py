"""The page of params.yaml: each key with its value, its comment and what the rooms accept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from registry.params import sections
from tools.reference.markdown import code, page, table
from tools.rooms import ROOT
from training.params import Params

LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
FREE = ("train.hyperparameters.", "tune.space.")  # scikit-learn's names, not ours


@dataclass(frozen=True)
class ParameterKey:
    """A key by its full path; `comment` is that of its line."""

    path: str
    value: str
    comment: str


def found() -> list[ParameterKey]:
    """Find every key of params.yaml that is ours."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    every = list(_keys(yaml.compose(text), "", lines))
    return [key for key in every if not key.path.startswith(FREE)]


def accepted() -> dict[str, str]:
    """Say what each key may be, as the rooms check it."""
    return dict(_limits(Params.model_json_schema())) | dict(_limits(sections("binary").model_json_schema()))


def write() -> str:
    """Write the page."""
    limits = accepted()
    rows = ((code(key.path), key.value, limits.get(key.path, ""), key.comment) for key in found())
    return page(
        "params.yaml",
        "What changes the model, and the limits of the gate. A key that does not exist is refused with the nearest one that does. "
        "Training reads all but `gate`, the registry reads `model` and `gate`.",
        table(("key", "value here", "accepted", "meaning"), rows),
        "Keys below an estimator's name in `train.hyperparameters` and `tune.space` are scikit-learn's own.",
    )


def _keys(node: Any, prefix: str, lines: list[str]) -> Iterator[ParameterKey]:
    for name, value in node.value:
        path = f"{prefix}.{name.value}" if prefix else name.value
        comment = _comment(lines, name.start_mark.line)
        if isinstance(value, yaml.MappingNode) and f"{path}." not in FREE:
            yield from _keys(value, path, lines)
        else:
            yield ParameterKey(path, code(value.value) if isinstance(value, yaml.ScalarNode) else "", comment)


def _comment(lines: list[str], at: int) -> str:
    _, mark, comment = lines[at].partition(" # ")
    return comment.strip() if mark else ""


def _limits(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    def walk(node: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
        if "$ref" in node:
            node = {
                **schema["$defs"][node["$ref"].rpartition("/")[2]],
                **{k: v for k, v in node.items() if k != "$ref"},
            }
        if "properties" in node:
            for name, value in node["properties"].items():
                yield from walk(value, f"{prefix}.{name}" if prefix else name)
            return
        bounds = " and ".join(f"{sign} {node[name]:g}" for name, sign in LIMITS.items() if name in node)
        pattern = f"like {code(node['pattern'])}" if "pattern" in node else ""
        yield (
            prefix,
            " ".join(part for part in (str(node.get("format", node.get("type", ""))), bounds, pattern) if part),
        )

    yield from walk(schema, "")
