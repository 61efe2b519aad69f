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


def test_four_files_and_leave_to_deploy_them(gitops: Path) -> None:
    made = {str(path.relative_to(gitops)) for path in add(gitops, "tides")}
    apps = {path for path in made if path.startswith("apps/")}
    assert apps == {
        f"apps/tides/{environment}/{file}"
        for environment in ("staging", "production")
        for file in ("kustomization.yaml", "release/kustomization.yaml")
    }
    assert made - apps == {"argocd/models/tides/kustomization.yaml", "argocd/models/kustomization.yaml"}


def test_the_first_models_files_are_what_it_would_write(gitops: Path) -> None:
    kept = {path: path.read_text() for path in (gitops / "apps/flight-delay").rglob("*.yaml")}
    kept |= {path: path.read_text() for path in (gitops / "argocd/models").rglob("*.yaml")}
    for path in kept:
        path.unlink()
    add(gitops, "flight-delay")
    assert {path: path.read_text() for path in kept} == kept


@pytest.mark.parametrize("name", ["no", "on", "null", "y", "e1", "true", "inf", "model"])
def test_a_name_that_yaml_could_take_for_something_else_is_a_string_wherever_it_is_written(
    gitops: Path, name: str
) -> None:
    add(gitops, name)
    assert yaml.safe_load((gitops / "argocd/models/kustomization.yaml").read_text())["components"] == sorted(
        ["flight-delay", name]
    )
    for path in (gitops / "apps" / name).glob("*/kustomization.yaml"):
        overlay = yaml.safe_load(path.read_text())
        assert overlay["namespace"] == f"{name}-{path.parent.name}"
        assert overlay["configMapGenerator"][0]["literals"][0] == f"name={name}"
    assert add(gitops, name) == []


def test_a_second_time_does_nothing_and_keeps_what_was_written_since(gitops: Path) -> None:
    assert add(gitops, "tides")
    overlay = gitops / "apps/tides/production/kustomization.yaml"
    overlay.write_text(overlay.read_text() + "# ours\n")
    assert add(gitops, "tides") == []
    assert overlay.read_text().endswith("# ours\n")


def test_an_addition_that_broke_off_is_completed(gitops: Path) -> None:
    add(gitops, "tides")
    left = gitops / "apps/tides/production/release/kustomization.yaml"
    left.unlink()
    assert add(gitops, "tides") == [left]


@pytest.mark.parametrize("name", ["Tides", "tides-", "007", "MODEL", "a" * 43, ""])
def test_what_cannot_be_is_refused(gitops: Path, name: str) -> None:
    before = sorted(gitops.rglob("*"))
    with pytest.raises(BadInput):
        add(gitops, name)
    assert sorted(gitops.rglob("*")) == before


def test_a_folder_without_a_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no shared base"):
        add(tmp_path, "tides")
