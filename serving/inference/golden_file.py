"""golden.json as every reader in the image takes it: each key once."""

from __future__ import annotations

import json
from typing import Any

from slipway.errors import BadInput


def read(golden: bytes) -> Any:
    """Parse golden.json.

    Raises:
        BadInput: it is not JSON, or has a key twice: two readers could then take two rows from one text.
    """
    try:
        return json.loads(golden, object_pairs_hook=_once)
    except ValueError as error:
        raise BadInput("golden.json cannot be read", found=str(error), hint="dvc repro --force train") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(
            f"golden.json has the key `{twice}` twice",
            expected="each key once",
            found=f"{names.count(twice)} times",
            hint="dvc repro --force train",
        )
    return found
