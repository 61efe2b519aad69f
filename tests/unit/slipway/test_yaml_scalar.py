from __future__ import annotations

import pytest
import yaml

from slipway.yaml_scalar import scalar

OTHERS = ["no", "on", "007", "1e3", "null", "0x1f", "2026-01-01", "y", "true", "0o7", "1_0", "12", "1e-3", "inf", "0b1"]


@pytest.mark.parametrize("text", OTHERS)
def test_what_a_reader_could_take_for_something_else_is_quoted(text: str) -> None:
    assert scalar(text) == f'"{text}"'
    assert yaml.safe_load(scalar(text)) == text


@pytest.mark.parametrize(
    "text", ["~", "", "- a", "a: b", "a #b", 'say "x"', "a\nb", "ü", "a:", "&a", "*a", "190:20:30"]
)
def test_whatever_the_text_is_it_comes_back(text: str) -> None:
    assert yaml.safe_load(f"- {scalar(text)}\n") == [text]


@pytest.mark.parametrize("text", ["flight-delay", "tiny", "no-show", "r.example:5000/team/x", "sha256:0a"])
def test_a_plain_name_stays_as_it_is(text: str) -> None:
    assert scalar(text) == text
