"""JSON that can always be written, for answers and log lines that hold what a stranger sent."""

from __future__ import annotations

from typing import Any

import msgspec

from slipway import json_text


def encode(content: Any) -> bytes:
    r"""Write JSON; half of a surrogate pair, which is not text, is written as the six characters `\ud800`."""
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        return json_text.write(content, default=msgspec.to_builtins)
