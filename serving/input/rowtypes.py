"""The types that msgspec reads requests by, made from a model's contract.

A feature's name is data: whatever a table calls a column, the field of the type
is `f0`, `f1`, … and the name in JSON is its rename. Refuses nothing itself: a
contract with names that the parser cannot take gets no type, and the thorough
reader reads everything.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

import msgspec

from serving.input import bounds
from serving.input.schema import Feature

# A string outside `categories` that the model accepts: long enough for any code, never an essay.
LONGEST_STRING = 128
INT64 = (1 << 63) - 1
# In JSON such a name is written with an escape, and no escape is read by the fast reader.
ESCAPED = re.compile(r'[\x00-\x1f"\\\x7f]')


def decoder(features: tuple[Feature, ...], max_rows: int, *, all_given: bool) -> Any:
    """Return a decoder of requests, None where a name cannot be one of its fields, or no limit of the parser's fits.

    With `all_given` every feature must be in every row; without, one that may be missing may be left out and is UNSET.
    """
    if any(ESCAPED.search(feature.name) or _past_int64(feature) for feature in features):
        return None
    names = {f"f{index}": feature.name for index, feature in enumerate(features)}
    length = msgspec.Meta(min_length=1, max_length=max_rows)
    row: Any = _struct("Row", [_optional(_cell(f), f, all_given) for f in features], names)
    lists = [_optional(Annotated[list[_cell(f)], length], f, all_given) for f in features]  # type: ignore[misc]
    columns = _struct("Columns", lists, names)
    rows: Any = Annotated[list[row], length]
    request = msgspec.defstruct(
        "Request",
        [("rows", rows | msgspec.UnsetType, msgspec.UNSET), ("columns", columns | msgspec.UnsetType, msgspec.UNSET)],
        forbid_unknown_fields=True,
    )
    return msgspec.json.Decoder(request)


def _past_int64(feature: Feature) -> bool:
    low, high = bounds.of(feature) if feature.type == "integer" else (0.0, 0.0)
    return low > INT64 or high < -INT64


def _struct(name: str, kinds: list[tuple[Any, ...]], names: dict[str, str]) -> Any:
    fields: list[Any] = [(field, *kind) for field, kind in zip(names, kinds, strict=True)]
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True, gc=False, rename=names)


def _optional(kind: Any, feature: Feature, all_given: bool) -> tuple[Any, ...]:
    return (kind,) if all_given or feature.missing == "refuse" else (kind | msgspec.UnsetType, msgspec.UNSET)


def _cell(feature: Feature) -> Any:
    return _value(feature) if feature.missing == "refuse" else _value(feature) | None


def _value(feature: Feature) -> Any:
    if feature.type == "string":
        needed = feature.missing == "refuse"  # the empty string is a missing one, as a tensor sends it
        if feature.unknown == "refuse" and feature.categories:
            listed = tuple(one for one in feature.categories if one)
            return Literal[listed if needed else (*listed, "")] if listed else Literal[feature.categories]
        return Annotated[str, msgspec.Meta(min_length=int(needed), max_length=LONGEST_STRING)]
    low, high = bounds.of(feature)
    if feature.type == "integer":  # the parser's limits are int64; what is past them the thorough reader judges
        return Annotated[int, msgspec.Meta(ge=max(math.ceil(low), -INT64), le=min(math.floor(high), INT64))]
    return Annotated[float, msgspec.Meta(ge=low, le=high)]
