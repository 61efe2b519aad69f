"""params.yaml as every room reads it: sections out of YAML, and a wrong key explained.

A key that does not exist is named with the nearest one that does. Each room
checks the sections that are its own; pydantic comes with the room.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput(
            f"{path} is not there",
            expected="the parameters of the model",
            hint="type the command in the model's folder, or git checkout params.yaml",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not YAML", found=" ".join(str(error).split()), hint=f"mend {path}") from error
    if not isinstance(content, dict):
        raise BadInput(
            f"{path} holds no sections",
            expected="a mapping of sections",
            found=type(content).__name__,
            hint=f"git checkout {path}",
        )
    return content


def explained(path: Path, error: ValidationError, model: type[BaseModel]) -> BadInput:
    """Return what `model` found wrong in `path` as an error that names the key."""
    # A typo makes two errors, the key that is not there and the one that is: tell of the latter.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    found = repr(first["input"])
    if first["type"] == "extra_forbidden":
        return BadInput(
            f"{path}: {key} is no parameter",
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
        field = section.model_fields.get(part) or _by_alias(section, str(part))
        section = field.annotation
    known = [field.alias or name for name, field in section.model_fields.items()]
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"{near[0]} (did you mean this?)" if near else "one of " + ", ".join(known)


def _by_alias(section: Any, alias: str) -> Any:
    return next(f for f in section.model_fields.values() if f.alias == alias)
