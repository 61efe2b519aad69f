"""Changes JSON as a structure, which bytes at random hardly do: values, keys, nesting, numbers in other spellings."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 1000, 1 << 31, 1 << 53, 1 << 63, 1 << 64, 10**40, 10**400, -(10**400),
    0.1, -0.0, 1e-320, 3.5e38,
    1e39, -1e308, float("nan"), float("inf"), "", "a", "a:b", "\0", "\ud800", "\x7f", "é" * 70, "nan", "FP32", "FP64",
    "BYTES", [], {},
    [[]], [None], {"": 0}, [[[[[[]]]]]],
]  # fmt: skip
# How a number may be written too.
SPELLINGS = [
    "1e0",
    "1E+2",
    "-0",
    "0.0e99999",
    "1e-99999",
    "1" * 60,
    "0." + "1" * 60,
    "1.0",
    "01",
    "+1",
    ".5",
    "1.",
    "0x1",
    "1_0",
]
MARK = 123454321
Split = Callable[[bytes], tuple[bytes, bytes, bytes]]


def changed(text: str, generator: random.Random) -> bytes:
    """Change a JSON text in one to three places; raises ValueError where it is none."""
    content = json.loads(text)
    for _ in range(generator.randint(1, 3)):
        content = _changed(content, generator)
    ascii_only = generator.random() < 0.5
    written = json.dumps(content, ensure_ascii=ascii_only, separators=generator.choice([(",", ":"), (", ", ": ")]))
    written = written.replace(str(MARK), generator.choice(SPELLINGS))
    if generator.random() < 0.1:
        key = generator.choice(written.split('"'))[:40]
        written = written.replace("{", f'{{"{key}":1,', 1)
    return written.encode("utf-8", "surrogatepass")


def _changed(content: Any, generator: random.Random) -> Any:
    """Walk down at random, and change what is there."""
    if isinstance(content, dict) and content and generator.random() < 0.85:
        key = generator.choice(list(content))
        return _entry_changed(content, key, generator)
    if isinstance(content, list) and content and generator.random() < 0.85:
        place = generator.randrange(len(content))
        return _item_changed(content, place, generator)
    if isinstance(content, int | float) and generator.random() < 0.5:
        return generator.choice([MARK, content + 1, content * -1, float(content) if abs(content) < 1e300 else 0])
    if isinstance(content, str) and generator.random() < 0.5:
        return content + generator.choice([":", "\\", "\0", "x" * 130, "\ud83d"])
    return generator.choice([*VALUES, [content], {"a": content}])


def _entry_changed(content: dict[str, Any], key: str, generator: random.Random) -> dict[str, Any]:
    others = dict(content)
    kind = generator.random()
    if kind < 0.1:
        del others[key]
    elif kind < 0.2:
        others[key + generator.choice(["", " ", "\0", "\ud800", ":", "x"])] = others.pop(key)
    elif kind < 0.3:
        others[generator.choice(["rows", "columns", "parameters", "a b", "é"])] = generator.choice(
            [*VALUES, content[key]]
        )
    else:
        others[key] = _changed(content[key], generator)
    return others


def _item_changed(content: list[Any], place: int, generator: random.Random) -> list[Any]:
    kind = generator.random()
    if kind < 0.1:
        return content[:place] + content[place + 1 :]
    if kind < 0.25:
        return content[:place] + [content[place]] * generator.randint(1, 4) + content[place:]
    return content[:place] + [_changed(content[place], generator)] + content[place + 1 :]


def mutator(mutate: Callable[[bytes, int], bytes], split: Split) -> Callable[[bytes, int, int], bytes]:
    """Make libFuzzer's mutator: `split` cuts an input into what stands before JSON, the JSON and what follows."""

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        generator = random.Random(seed)
        before, text, after = split(bytes(data))
        if generator.random() < 0.4:
            return mutate(data, most)
        try:
            written = changed(text.decode(), generator)
        except (ValueError, RecursionError):
            return mutate(data, most)
        written += b" " * (-len(written) % 4)
        if before[:1] == b"\2":
            before = before[:1] + bytes([min(len(written) // 4, 255)])
        return (before + written + after)[:most]

    return mutated
