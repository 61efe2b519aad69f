"""The one format of a log line: a JSON object with time, level, logger, message, and facts of its own.

Owns the keys and their order. What looks like a credential is blanked in every value.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from slipway import json_text
from slipway.redaction import redacted


class JsonFormatter(logging.Formatter):
    """Write a record as one line; `extra={"facts": {…}}` adds keys, which cannot replace the format's own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        content |= {name: fact for name, fact in getattr(record, "facts", {}).items() if name not in content}
        if record.exc_info:
            content["error"] = self.formatException(record.exc_info)
        return json_text.write(_redacted(content)).decode()


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {str(name): _redacted(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(each) for each in value]
    return value
