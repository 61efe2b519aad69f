"""Every fault of a refused request, named: field, expected, found.

The thorough half of validation: slow, complete, and run only on what the fast
half refused. Refuses text that is not JSON, a key given twice, numbers that are
not finite, nesting too deep to read.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import Any, NoReturn

from serving.http.problem import Fault, Problem
from serving.input import bounds
from serving.input.schema import Feature

# What a string may hold: no control character, so that it can be stored and logged as text.
PRINTABLE = r"^[^\x00-\x1f\x7f\ud800-\udfff]*$"
SURROGATE = re.compile("[\ud800-\udfff]")
MOST_FAULTS = 20
LONGEST_FOUND = 60
# The value of a limit that a feature does not have: the numbers that the model can get.
LEAST, MOST = "-3.4e38", "3.4e38"


def rows(body: bytes, features: tuple[Feature, ...], max_rows: int) -> tuple[list[dict[str, Any]], bool]:
    """Parse the body and return its rows, not yet measured, and whether it is by rows.

    Raises:
        Problem: 400 not JSON, 422 not rows or columns.
    """
    content = _parse(body)
    if not isinstance(content, dict) or len(content) != 1 or not content.keys() <= {"rows", "columns"}:
        _refuse("", 'an object with "rows" (a list of objects) or "columns" (an object of lists)', content)
    by_rows = "rows" in content
    if not by_rows:
        content = {"rows": _transposed(content["columns"], {f.name for f in features}, max_rows)}
    found = content["rows"]
    if not isinstance(found, list) or not 1 <= len(found) <= max_rows:
        text = f"{len(found)} rows" if isinstance(found, list) else shown(found)
        _refused("rows", f"a list of 1 to {max_rows} objects", text)
    for index, row in enumerate(found):
        if not isinstance(row, dict):
            _refuse(f"rows[{index}]", "an object", row)
    return found, by_rows


def find(given: list[dict[str, Any]], features: tuple[Feature, ...], longest: int) -> list[Fault]:
    """Measure every row; return at most `MOST_FAULTS` faults."""
    names = {feature.name for feature in features}
    found: list[Fault] = []
    for index, row in enumerate(given):
        where = f"rows[{index}]"
        others = itertools.islice((name for name in row if name not in names), MOST_FAULTS)
        found += [Fault(f"{where}.{named(name)}", "no such field", "a value") for name in others]
        for feature in features:
            expected = _fault(row, feature, longest)
            if expected:
                value = shown(row[feature.name]) if feature.name in row else "nothing"
                found.append(Fault(f"{where}.{feature.name}", expected, value))
        if len(found) >= MOST_FAULTS:
            return found[:MOST_FAULTS]
    return found


def shown(value: Any) -> str:
    """Write a found value for an error, cut to a readable length."""
    try:
        text = json.dumps(value, ensure_ascii=True, default=str)
    except RecursionError:
        return "a value that is nested too deep"
    return text if len(text) <= LONGEST_FOUND else text[:LONGEST_FOUND] + "…"


def named(name: str) -> str:
    """Write a name that a client made up, cut, and without what cannot be encoded or printed."""
    cut = name[:LONGEST_FOUND]
    return cut if cut.isprintable() else cut.encode("unicode_escape", "backslashreplace").decode("ascii")


def expected(feature: Feature) -> str:
    """Say in words what a feature's value must be."""
    if feature.type == "string":
        listed = feature.categories if feature.unknown == "refuse" else None
        kind = "a non-empty string" if feature.missing == "refuse" else "a string"
        text = "one of " + ", ".join(listed) if listed else f"{kind} without control characters"
    else:
        text = f"{feature.type} from {_bound(feature.minimum, LEAST)} to {_bound(feature.maximum, MOST)}"
    return text + (", or null" if feature.missing == "accept" else "")


def _fault(row: dict[str, Any], feature: Feature, longest: int) -> str | None:
    value = row.get(feature.name)
    if value is None or (value == "" and feature.type == "string"):
        return None if feature.missing == "accept" else expected(feature)
    good = good_string(value, feature, longest) if feature.type == "string" else _good_number(value, feature)
    return None if good else expected(feature)


def good_string(value: Any, feature: Feature, longest: int) -> bool:
    """Say whether a value that is not missing is a string this feature takes."""
    if not isinstance(value, str):
        return False
    if feature.unknown == "refuse" and feature.categories:
        return value in feature.categories
    return len(value) <= longest and re.search(PRINTABLE, value) is not None


def _good_number(value: Any, feature: Feature) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if feature.type == "integer" and value != int(value):
        return False
    low, high = bounds.of(feature)
    return low <= value <= high


def _bound(value: float | None, none: str) -> str:
    return none if value is None else f"{value:.15g}"


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise Problem(400, "the JSON is nested too deep to read", kind="not-json") from None
    except ValueError as error:
        raise Problem(400, f"the body is not JSON: {error}", kind="not-json") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        _refused(named(twice), "each key once", "the key twice")
    return content


def refuse_twice(body: bytes) -> None:
    """Refuse JSON with a key that is there twice, or with text that is not Unicode.

    Raises:
        Problem: 400 not JSON, 422 such a key or text.
    """
    _refuse_surrogates(_parse(body))


def _refuse_surrogates(content: Any) -> None:
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and SURROGATE.search(value):
            _refuse("", "text without half a surrogate pair", value)


def _no_constant(name: str) -> NoReturn:
    raise Problem(
        422, f"{name} is not a JSON number", kind="invalid-input", faults=[Fault("", "a finite number", name)]
    )


def _transposed(columns: Any, names: set[str], max_rows: int) -> list[dict[str, Any]]:
    if not isinstance(columns, dict) or not columns:
        _refuse("columns", "an object of lists", columns)
    for name, column in columns.items():
        if name not in names:
            _refused(f"columns.{named(name)}", "no such field", "a value")
        if not isinstance(column, list):
            _refuse(f"columns.{name}", "a list", column)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        _refused("columns", "lists of one length", f"lengths {sorted(lengths)[:5]}")
    if not 1 <= (count := lengths.pop()) <= max_rows:  # before a row is made of each
        _refused("rows", f"lists of 1 to {max_rows} values", f"{count} values")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _refuse(field: str, wanted: str, found: Any) -> NoReturn:
    _refused(field, wanted, shown(found))


def _refused(field: str, wanted: str, text: str) -> NoReturn:
    raise Problem(
        422, f"{field or 'the body'}: expected {wanted}", kind="invalid-input", faults=[Fault(field, wanted, text)]
    )
