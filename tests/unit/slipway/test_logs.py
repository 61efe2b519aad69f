"""One format of a log line, in the server and in the promoter."""

from __future__ import annotations

import json
import logging
import re
from types import ModuleType
from typing import Any

import pytest

from release.cli import promoter
from serving.http import logs as serving_logs
from serving.http import requestlog
from slipway.logs import JsonFormatter

KEYS = ["time", "level", "logger", "message"]


def line(message: str, *arguments: object, facts: dict[str, Any] | None = None, error: bool = False) -> dict[str, Any]:
    """Format one record."""
    info: Any = None
    if error:
        try:
            int("password=hunter2")
        except ValueError as raised:
            info = (type(raised), raised, raised.__traceback__)
    record = logging.LogRecord("x", logging.WARNING, __file__, 1, message, arguments, info)
    if facts is not None:
        record.facts = facts
    text = JsonFormatter().format(record)
    assert "\n" not in text
    content: dict[str, Any] = json.loads(text)
    return content


def test_a_line_has_the_keys_in_their_order_and_then_its_facts() -> None:
    content = line("a %s", "b", facts={"status": 200, "level": "forged"})
    assert list(content) == [*KEYS, "status"]
    assert (content["level"], content["message"], content["status"]) == ("warning", "a b", 200)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", content["time"])


def test_a_credential_is_blanked_wherever_it_is() -> None:
    content = line(
        "to %s", "redis://:hunter2@x", facts={"said": ["token=hunter2", {"a": "Bearer hunter2hunter2"}]}, error=True
    )
    assert "hunter2" not in json.dumps(content)
    assert "Traceback" in content["error"]


def test_half_of_a_surrogate_pair_is_written_and_a_new_line_forges_no_line() -> None:
    assert line("\ud800 \n {}")["message"] == "\\ud800 \n {}"


def test_what_is_no_json_is_written_as_text() -> None:
    assert line("x", facts={"at": object}, error=False)["at"] == str(object)


@pytest.mark.parametrize("module", [serving_logs, promoter])
def test_every_process_writes_by_it(module: ModuleType) -> None:
    assert vars(module)["JsonFormatter"] is JsonFormatter


def test_a_requests_line_begins_with_the_same_keys() -> None:
    content = json.loads(requestlog.refused(400, "id", "7"))
    assert list(content)[:3] == KEYS[:3]
