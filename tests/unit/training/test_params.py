from pathlib import Path

import pytest

from slipway.errors import BadInput
from training import params

REAL = Path("params.yaml").read_text(encoding="utf-8")


def load(tmp_path: Path, old: str, new: str) -> params.Params:
    assert old in REAL
    path = tmp_path / "params.yaml"
    path.write_text(REAL.replace(old, new, 1))
    return params.load(path)


def test_the_project_s_own_parameters_are_sound() -> None:
    assert params.load().model.name == "flight-delay"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  seed: 13 # of what", "  sead: 13 # of what", ["train.sead", "seed (did you mean this?)"]),
        ("threads: 2", "threads: two", ["train.threads", "valid integer", "'two'"]),
        ("threads: 2", "threads: true", ["train.threads", "True"]),
        ("late_from_minutes: 15", "late_from_minutes: -15", ["prepare.late_from_minutes", "-15"]),
        ('to: "2013-08-31"', 'to: "2012-08-31"', ["prepare.train", "before it starts"]),
        ('to: "2013-08-31"', 'to: "2013-09-15"', ["prepare", "test rows must come later"]),
        ('from: "2013-01-01"', 'from: "2013-13-01"', ["prepare.train.from", "2013-13-01"]),
        ("name: flight-delay", "name: Flight Delay", ["model.name", "Flight Delay"]),
        ("name: flight-delay", "name: no", ["model.name is not text", "False", "quote it"]),
        ("name: flight-delay", "name: 007", ["model.name is not text", "7", "quote it"]),
        ("evaluate:\n", "evalute:\n", ["evalute", "evaluate (did you mean this?)"]),
        ("high: 0.2, log: true", "high: 0.2, log: maybe", ["tune.space", "log"]),
        ("{low: 100, high: 400}", "{low: 400, high: 100}", ["tune.space", "not above"]),
    ],
)
def test_a_wrong_parameter_is_named_with_what_was_expected(
    tmp_path: Path, old: str, new: str, words: list[str]
) -> None:
    with pytest.raises(BadInput) as caught:
        load(tmp_path, old, new)
    for word in [*words, "params.yaml"]:
        assert word in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(("text", "word"), [("a: [", "not YAML"), ("just words", "no sections"), ("{}", "model")])
def test_a_file_without_sections_is_refused(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=word):
        params.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not there"):
        params.load(tmp_path / "params.yaml")
