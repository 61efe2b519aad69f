from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from slipway.errors import BadInput
from tools.add_model import add

ROOT = Path(__file__).parents[3]


@pytest.fixture
def gitops(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "gitops", tmp_path / "gitops"))


def objects(gitops: Path) -> dict[tuple[str, str, str], str]:
    return {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): str(path.relative_to(gitops))
        for folder in ("argocd", "platform")
        for path in sorted((gitops / folder).rglob("*.yaml"))
        for each in yaml.safe_load_all(path.read_text())
        if isinstance(each, dict) and "name" in each.get("metadata", {})
    }


def test_each_object_of_the_model_gets_a_twin_and_no_other_does(gitops: Path) -> None:
    before = objects(gitops)
    add(gitops, "tides", "flight-delay")
    twins = {
        tuple(part.replace("flight-delay", "tides") for part in key): path
        for key, path in before.items()
        if "flight-delay" in f"{key[1]}/{key[2]}"
    }
    assert len(twins) >= 8
    assert objects(gitops) == before | twins


def test_the_project_lets_it_in(gitops: Path) -> None:
    add(gitops, "tides", "flight-delay")
    projects = [each for each in yaml.safe_load_all((gitops / "argocd/projects.yaml").read_text()) if each]
    destinations = [entry["namespace"] for project in projects for entry in project["spec"]["destinations"]]
    assert sorted(destinations) == sorted(
        f"{m}-{e}" for m in ("flight-delay", "tides") for e in ("staging", "production")
    )


def test_nothing_is_released_and_nothing_of_the_other_is_left(gitops: Path) -> None:
    (gitops / "apps/flight-delay/staging/release/kustomization.yaml").write_text(
        "kind: Component\nimages: [released]\n"
    )
    add(gitops, "tides", "flight-delay")
    for path in (gitops / "apps/tides").rglob("*"):
        if path.is_file():
            assert "flight-delay" not in path.read_text()
            assert "released]" not in path.read_text()


def strings(content: object, other: str, name: str) -> object:
    """Return the content with each string renamed; what is no string stays."""
    if isinstance(content, dict):
        return {strings(key, other, name): strings(value, other, name) for key, value in content.items()}
    if isinstance(content, list):
        return [strings(each, other, name) for each in content]
    return content.replace(other, name) if isinstance(content, str) else content


@pytest.mark.parametrize("name", ["no", "on", "null", "y", "e1", "true", "inf"])
def test_a_name_that_yaml_could_take_for_something_else_is_a_string_wherever_it_is_written(
    gitops: Path, name: str
) -> None:
    add(gitops, name, "flight-delay")
    for path in sorted((gitops / "apps/flight-delay").rglob("*.yaml")):
        if path.parent.name != "release":
            twin = gitops / "apps" / name / path.relative_to(gitops / "apps/flight-delay")
            expected = strings(list(yaml.safe_load_all(path.read_text())), "flight-delay", name)
            assert list(yaml.safe_load_all(twin.read_text())) == expected, path
    applications = yaml.safe_load_all((gitops / "argocd/applications.yaml").read_text())
    labels = [each["metadata"]["labels"]["slipway/model"] for each in applications if each]
    assert sorted(labels) == sorted([name, "flight-delay"] * 2)
    assert add(gitops, name, "flight-delay") == []


def test_a_second_time_does_nothing(gitops: Path) -> None:
    assert add(gitops, "tides", "flight-delay")
    assert add(gitops, "tides", "flight-delay") == []


@pytest.mark.parametrize(
    ("name", "like"),
    [("Tides", "flight-delay"), ("tides-", "flight-delay"), ("007", "flight-delay"), ("tides", "waves")],
)
def test_what_cannot_be_is_refused(gitops: Path, name: str, like: str) -> None:
    with pytest.raises(BadInput):
        add(gitops, name, like)
    assert not (gitops / "apps" / name).exists()
