"""params.yaml as every room reads it: sections out of YAML, and a wrong key explained.

A key that does not exist is named with the nearest one that does. Each room
checks the sections that are its own; pydantic comes with the room.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from slipway import strict_yaml
from slipway.errors import BadInput

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

LONGEST = 200  # characters of a wrong value that are shown


def read(path: Path) -> dict[str, Any]:
    """Read the sections of params.yaml.

    Raises:
        BadInput: the file is missing, is not YAML, or holds no sections.
    """
    import yaml

    try:
        content = strict_yaml.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput(
            f"{path} is not there",
            expected="the parameters of the model",
            hint="type the command in the model's folder, or git checkout params.yaml",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not YAML", found=" ".join(str(error).split()), hint=f"fix {path}") from error
    if not isinstance(content, dict):
        raise BadInput(
            f"{path} holds no sections",
            expected="a mapping of sections",
            found=type(content).__name__,
            hint=f"git checkout {path}",
        )
    return content


def explained(path: Path, error: ValidationError, model: type[BaseModel], noun: str = "parameter") -> BadInput:
    """Return what `model` found wrong in `path` as an error that names the key; `noun` is what a key is called."""
    # A typo makes two errors, the key that is not there and the one that is: tell of the latter.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    found = repr(first["input"])
    if first["type"] == "extra_forbidden":
        return BadInput(
            f"{path}: {key} is not a {noun}",
            expected=_nearest(model, first["loc"]),
            found=str(first["loc"][-1]),
            hint=f"correct {key} in {path}",
        )
    if first["type"] == "string_type" and key == "model.name":
        # YAML takes a name such as no, on or 007 for false, true or a number.
        return BadInput(
            f"{path}: {key} is not text",
            expected="a name in quotes where YAML takes it for something else",
            found=found,
            hint=f'quote it in {path}: name: "…"',
        )
    if first["type"] == "missing":
        found = "nothing"
    return BadInput(
        f"{path}: {key} is wrong",
        expected=first["msg"].removeprefix("Value error, "),
        found=found if len(found) < LONGEST else found[:LONGEST] + "…",
        hint=f"correct {key} in {path}",
    )


def _nearest(model: Any, location: tuple[int | str, ...]) -> str:
    section = model
    for part in location[:-1]:
        section = _within(section, part)
        if section is None:
            return "no such key here"
    if not hasattr(section, "model_fields"):
        return "no such key here"
    known = [field.alias or name for name, field in section.model_fields.items()]
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"{near[0]} (did you mean this?)" if near else "one of " + ", ".join(known)


def _within(annotation: Any, part: int | str) -> Any:
    """Step from a section, or a mapping or list of sections, to what one of its keys holds."""
    if hasattr(annotation, "model_fields"):
        fields = annotation.model_fields
        field = fields.get(part) or next((f for f in fields.values() if f.alias == part), None)
        annotation = field.annotation if field else None
        named = [one for one in get_args(annotation) if hasattr(one, "model_fields")]
        return named[0] if named and get_origin(annotation) is not dict else annotation
    held = get_args(annotation)
    return held[-1] if held else None
