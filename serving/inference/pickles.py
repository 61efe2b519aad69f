"""Refuses to unpickle, in the complete process, whoever asks.

Nothing here reads a pickle; this makes sure that no library ever does on a
request's or a file's behalf: importing a class from a pickle raises.
"""

from __future__ import annotations

import sys
from typing import Any

from slipway.errors import Refused


def refuse() -> None:
    """Install the refusal; it cannot be taken back."""
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "pickle.find_class":
        raise Refused(
            "the serving process does not read pickles",
            expected="data in JSON, ONNX or Parquet",
            found=f"a pickle of {arguments[0]}.{arguments[1]}",
            hint="find out in the trace which library reads it, and give it another format",
        )
