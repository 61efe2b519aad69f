"""A version's reference, and that every command reads the same ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import image.package
import registry.cli
import registry.export
import release.actions.promote
import release.actions.reject
import release.actions.stage
from image import cli as image_cli
from registry.tracking import Version
from release.cli import release as release_cli
from release.views import trace
from scoring import cli as scoring_cli
from serving import cli as serving_cli
from slipway import processes, reference
from slipway.errors import BadInput
from slipway.names import checked

READ = {
    "flight-delay": ("flight-delay", "@champion"),
    "flight-delay@champion": ("flight-delay", "@champion"),
    "flight-delay@challenger": ("flight-delay", "@challenger"),
    "flight-delay@7": ("flight-delay", "7"),
    "m@blue_2": ("m", "@blue_2"),
    "m@7b": ("m", "@7b"),
}
FORMER = {
    ("flight-delay", "7"): ("flight-delay", "7"),
    ("flight-delay", "@challenger"): ("flight-delay", "@challenger"),
}
INVALID = [
    "",
    "@",
    "@7",
    "m@",
    "m@@7",
    "m@0",
    "m@07",
    "m@7@8",
    "M@7",
    "m_x@7",
    "7m@1",
    "m-@1",
    "m@a.b",
    "m@7\n",
    "m @7",
    "m" * 43,
]


class Asked(Exception):
    """The model and version that a command understood."""


def ask(*words: Any) -> None:
    """Stand where the work of a command begins."""
    raise Asked(*[word for word in words if isinstance(word, str)][:2])


def exported(*words: Any, **_: Any) -> None:
    """Stand for `slipway export`, which `serve` and `score` run."""
    parsed = reference.parse(words[1])
    raise Asked(parsed.model, parsed.version)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Every command that takes a version, stopped where its work begins; what precedes and follows the version."""
    monkeypatch.chdir(tmp_path)
    for module, name in (
        (registry.export, "export"), (image.package, "package"), (release.actions.stage, "stage"),
        (release.actions.promote, "promote"), (release.actions.reject, "reject"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, lambda *words, **_: ask(*words[1:]))
    monkeypatch.setattr(processes, "slipway", exported)
    for module in (registry.cli, image_cli):
        monkeypatch.setattr(module, "open_tracking", lambda _: None)
    monkeypatch.setattr(release_cli, "acting", Context)
    return {
        "export": (registry.cli.export, [], ["folder"]),
        "package": (image_cli.package, [], ["--no-push"]),
        "stage": (release_cli.stage, [], []),
        "promote": (release_cli.promote, [], []),
        "reject": (release_cli.reject, [], ["--reason", "x"]),
        "serve": (serving_cli.serve, [], []),
        "score": (scoring_cli.score, ["in.parquet", "out.parquet", "--model"], []),
    }


class Context:
    """The context of an act, which is none here."""

    def __init__(self, *_: Any) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


NAMES = ("export", "package", "stage", "promote", "reject", "serve", "score")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", READ)
def test_every_command_reads_the_same_reference(commands: dict[str, Any], name: str, text: str) -> None:
    command, before, after = commands[name]
    ended = CliRunner().invoke(command, [*before, text, *after])
    if name == "reject" and "@" not in text:
        assert isinstance(ended.exception, BadInput)
        assert "NAME@NUMBER" in str(ended.exception)
    else:
        assert isinstance(ended.exception, Asked), ended.output
        assert ended.exception.args == READ[text]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "score"])
@pytest.mark.parametrize("words", FORMER)
def test_the_former_two_words_are_still_read(commands: dict[str, Any], name: str, words: tuple[str, str]) -> None:
    command, before, after = commands[name]
    ended = CliRunner().invoke(command, [*before, *words, *after])
    assert isinstance(ended.exception, Asked), ended.output
    assert ended.exception.args == FORMER[words]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", INVALID)
def test_every_command_refuses_the_same_with_the_forms_and_an_example(
    commands: dict[str, Any], name: str, text: str
) -> None:
    command, before, after = commands[name]
    ended = CliRunner().invoke(command, [*before, text, *after])
    assert isinstance(ended.exception, BadInput), ended.output
    assert reference.FORMS in str(ended.exception)
    assert "flight-delay@7" in str(ended.exception)
    assert "slipway versions" in str(ended.exception)


def test_every_command_that_shows_the_syntax_is_among_them(commands: dict[str, Any]) -> None:
    page = (Path(__file__).parents[3] / "docs/reference/cli.md").read_text().replace("\\|", "|")
    sections = {part.split("\n")[0]: part.partition("\n## ")[0] for part in page.split("\n### slipway ")[1:]}
    shown = {name for name, text in sections.items() if reference.SYNTAX in text}
    assert shown == set(commands)


@pytest.mark.parametrize("text", [*READ, "flight-delay/7"])
def test_trace_finds_the_version_of_the_same_reference(text: str) -> None:
    name, wanted = READ.get(text, ("flight-delay", "7"))
    number = int(wanted) if wanted.isdigit() else 5
    aliases = () if wanted.isdigit() else (wanted[1:],)
    versions = [Version(name, one, "run", 0, {}, aliases if one == number else ()) for one in (4, number, 9)]
    kind, version, _ = trace._find(trace.Sides(None, lambda: None, None), text, {name: versions}, [], [])  # type: ignore[arg-type,return-value]
    assert (kind, version.number) == ("version", number)


def test_a_command_about_a_model_says_that_it_takes_the_name_alone() -> None:
    with pytest.raises(BadInput) as refused:
        checked("flight-delay@7")
    assert "name alone" in str(refused.value)
    assert refused.value.hint == "type the same with flight-delay"


def test_a_folder_is_the_folder_and_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert reference.of_target("flight-delay") == reference.VersionReference("flight-delay", alias="champion")
    (tmp_path / "flight-delay").mkdir()
    with pytest.raises(BadInput, match=r"no manifest\.json"):
        reference.of_target("flight-delay")
    assert reference.of_target("flight-delay@7") == reference.VersionReference("flight-delay", 7)
    (tmp_path / "flight-delay/manifest.json").touch()
    assert reference.of_target("flight-delay") == Path("flight-delay")
    with pytest.raises(BadInput, match="no such folder"):
        reference.of_target("./nowhere")


@pytest.mark.parametrize("name", ["a", "a1", "flight-delay", "m" * 42])
def test_a_name_that_a_namespace_and_a_service_can_have_is_taken(name: str) -> None:
    assert checked(name) == name


@pytest.mark.parametrize("name", ["", "1a", "a-", "-a", "A", "a.b", "a_b", "m" * 43, "a\n"])
def test_a_name_that_they_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="is not a valid model name"):
        checked(name)
