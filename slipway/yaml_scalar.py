"""One string as a YAML scalar that every reader of YAML takes for a string.

Readers disagree on what a plain scalar is: `no` is false to YAML 1.1, `1e3` a number to Go's reader and text to
PyYAML, `007` the number seven. So whatever any of them could take for something else is quoted.
Source: https://yaml.org/type/ (bool, int, float, null, timestamp)
"""

from __future__ import annotations

import json
import re

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*")
WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"}


def scalar(text: str) -> str:
    """Return `text` for a YAML file: as it is where it can only be a string, else in double quotes."""
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
