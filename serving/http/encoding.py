"""JSON that can always be written, for answers and log lines that hold what a stranger sent."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


def encode(content: Any) -> bytes:
    r"""Write JSON; half of a surrogate pair, which is not text, is written as the six characters `\ud800`."""
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        text = json.dumps(content, ensure_ascii=False, default=msgspec.to_builtins)
        return HALF_OF_A_PAIR.sub(lambda half: f"\\\\u{ord(half[0]):04x}", text).encode()
