"""JSON that can always be written, whatever text it holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


def write(content: Any, default: Callable[[Any], Any] = str) -> bytes:
    r"""Write JSON in a line; half of a surrogate pair, which is not text, is written as the six characters `\ud800`."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=default)
    return HALF_OF_A_PAIR.sub(lambda half: f"\\\\u{ord(half[0]):04x}", text).encode()
