from __future__ import annotations

import pytest

from serving.inference import golden, golden_file
from slipway.errors import BadInput


@pytest.mark.parametrize(
    "text",
    [
        b'{"rows": [{"a": 1}], "rows": [{"a": 2}], "probabilities": [0.5]}',
        b'{"rows": [{"a": 1, "a": 2}], "probabilities": [0.5]}',
        b'{"rows": [{"a": 1, "\\u0061": 2}], "probabilities": [0.5]}',
        b'{"rows": [{"a": 1}], "probabilities": [0.5], "probabilities": [0.6]}',
    ],
)
def test_a_key_that_is_there_twice_is_refused(text: bytes) -> None:
    with pytest.raises(BadInput, match="twice"):
        golden_file.read(text)
    with pytest.raises(BadInput, match="twice"):
        golden.check(b"{}", text)


def test_what_is_no_json_says_how_to_go_on() -> None:
    with pytest.raises(BadInput, match="dvc repro"):
        golden_file.read(b"{")


def test_each_key_once_is_read() -> None:
    assert golden_file.read(b'{"rows": [{"a": 1}, {"a": 2}]}') == {"rows": [{"a": 1}, {"a": 2}]}
