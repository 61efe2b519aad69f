from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.workflows import ROOT
from tools.add_model import add

SLIPWAY = str(Path(sys.executable).with_name("slipway"))


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    place = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(place))
    return place


def changes(folder: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run([SLIPWAY, "changes", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, f"{old} in {file}"
    file.write_text(text.replace(old, new))


@pytest.mark.long
def test_parameters_metrics_and_manifests_are_shown(clone: Path) -> None:
    replace(clone / "params.yaml", "late_from_minutes: 15", "late_from_minutes: 30")
    metrics = clone / "reports/metrics.json"
    said = json.loads(metrics.read_text())
    said["metrics"]["roc_auc"]["value"] = 0.123
    metrics.write_text(json.dumps(said))
    overlay = clone / "gitops/base/settings.env"
    overlay.write_text(overlay.read_text() + "SLIPWAY_LOG_LEVEL=debug\n")
    git(clone, "commit", "--quiet", "-am", "Change everything")
    output = clone / "var/changes.md"
    changes(clone, "--base", "HEAD~1", "--output", str(output))
    text = output.read_text()
    parameters, _, rest = text.partition("### Metrics")
    assert "late_from_minutes" in parameters
    assert "30" in parameters
    assert "0.123" in rest.partition("### flight-delay")[0]
    assert "### flight-delay in production" in rest
    assert "### flight-delay in staging" in rest
    assert "+  SLIPWAY_LOG_LEVEL: debug" in rest


@pytest.mark.long
def test_a_change_of_the_base_is_shown_once_for_all_models_that_it_changes_alike(clone: Path) -> None:
    for name in ("tides", "winds"):
        add(clone / "gitops", name)
    plain = "- {op: replace, path: /metadata/annotations/haproxy.org~1ssl-redirect, value: 'false'}"
    own = f"release]\npatches:\n- target: {{kind: Ingress}}\n  patch: |-\n    {plain}"
    replace(clone / "gitops/apps/winds/staging/kustomization.yaml", "release]", own)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "-m", "Two more models")
    replace(clone / "gitops/base/ingress.yaml", "timeout-server: 10s", "timeout-server: 20s")
    git(clone, "commit", "--quiet", "-am", "Wait longer, everywhere")
    text = changes(clone, "--base", "HEAD~1")
    titles = [line for line in text.splitlines() if line.startswith("### ") and " in " in line]
    assert titles == [
        "### flight-delay in production; tides in production; winds in production",
        "### flight-delay in staging; tides in staging",
        "### winds in staging",
    ]
    assert text.count("+    haproxy.org/timeout-server: 20s") == len(titles)


@pytest.mark.long
def test_the_next_base_goes_to_one_model_first(clone: Path) -> None:
    add(clone / "gitops", "tides")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "-m", "Another model")
    shutil.copytree(clone / "gitops/base", clone / "gitops/base-next")
    replace(clone / "gitops/base-next/settings.env", "SLIPWAY_DRAIN_SECONDS=5", "SLIPWAY_DRAIN_SECONDS=15")
    replace(clone / "gitops/apps/tides/staging/kustomization.yaml", "/base", "/base-next")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "-m", "Try the next base on tides in staging")
    text = changes(clone, "--base", "HEAD~1")
    assert [line for line in text.splitlines() if " in " in line and line[0] == "#"] == ["### tides in staging"]
    assert '+  SLIPWAY_DRAIN_SECONDS: "15"' in text

    git(clone, "rm", "--quiet", "-r", "gitops/base")
    git(clone, "mv", "gitops/base-next", "gitops/base")
    replace(clone / "gitops/apps/tides/staging/kustomization.yaml", "/base-next", "/base")
    git(clone, "commit", "--quiet", "-am", "The next base is the base")
    text = changes(clone, "--base", "HEAD~1")
    titles = [line for line in text.splitlines() if " in " in line and line[0] == "#"]
    assert titles == ["### flight-delay in production; tides in production", "### flight-delay in staging"]


@pytest.mark.long
def test_what_is_not_committed_and_what_the_base_got_meanwhile_is_not_shown(clone: Path) -> None:
    start = git(clone, "rev-parse", "HEAD")
    git(clone, "checkout", "--quiet", "-b", "theirs")
    replace(clone / "params.yaml", "late_from_minutes: 15", "late_from_minutes: 45")
    git(clone, "commit", "--quiet", "-am", "Theirs")
    git(clone, "checkout", "--quiet", "-b", "ours", start)
    replace(clone / "params.yaml", "late_from_minutes: 15", "late_from_minutes: 30")
    assert changes(clone, "--base", "theirs").count("No change.") == 3


@pytest.mark.long
def test_a_table_of_the_change_cannot_carry_markup(clone: Path) -> None:
    params = clone / "params.yaml"
    params.write_text(params.read_text() + "note: '<img src=x> `a` @team'\n")
    git(clone, "commit", "--quiet", "-am", "A note")
    text = changes(clone, "--base", "HEAD~1")
    assert "note" in text
    assert not {"<img", "@team"} & set(text.replace(" ", "\n").split())


@pytest.mark.long
def test_an_overlay_that_cannot_be_built_is_said_and_the_others_are_shown(clone: Path) -> None:
    (clone / "gitops/apps/flight-delay/staging/kustomization.yaml").write_text("resources: [nowhere.yaml]\n")
    overlay = clone / "gitops/base/settings.env"
    overlay.write_text(overlay.read_text() + "SLIPWAY_LOG_LEVEL=debug\n")
    git(clone, "commit", "--quiet", "-am", "Break staging")
    text = changes(clone, "--base", "HEAD~1")
    assert "kustomize cannot build flight-delay/staging" in text
    assert "+  SLIPWAY_LOG_LEVEL: debug" in text


@pytest.mark.long
def test_a_link_out_of_the_manifests_is_refused_and_what_it_leads_to_not_shown(clone: Path) -> None:
    settings = clone / "gitops/base/settings.env"
    settings.unlink()
    settings.symlink_to("/etc/passwd")
    git(clone, "commit", "--quiet", "-am", "Link the settings")
    text = changes(clone, "--base", "HEAD~1", code=3)
    assert "settings.env" in text
    assert "root:" not in text


@pytest.mark.long
@pytest.mark.parametrize(
    "links",
    [
        {
            "gitops/base/up": "../..",
            "gitops/base/out.env": "up/../settings.env",
        },
        {"gitops/base/out.env": "out.env"},
        {"gitops/out.env": "../../../../../../../../etc/passwd"},
    ],
    ids=["two together", "a loop", "upwards"],
)
def test_links_that_leave_the_manifests_some_other_way_are_refused_too(clone: Path, links: dict[str, str]) -> None:
    for path, target in links.items():
        (clone / path).symlink_to(target)
    git(clone, "add", "-A")
    git(clone, "commit", "--quiet", "-m", "Link")
    assert "out.env is a link to" in changes(clone, "--base", "HEAD~1", code=3)


@pytest.mark.long
def test_a_link_that_stays_in_the_manifests_is_followed(clone: Path) -> None:
    base = clone / "gitops/base"
    text = (base / "settings.env").read_text()
    (base / "settings.env").unlink()
    (base / "own.env").write_text(text + "SLIPWAY_LOG_LEVEL=debug\n")
    (base / "settings.env").symlink_to("own.env")
    git(clone, "add", "-A")
    git(clone, "commit", "--quiet", "-m", "Link the settings")
    assert "+  SLIPWAY_LOG_LEVEL: debug" in changes(clone, "--base", "HEAD~1")


def test_an_unknown_base_is_bad_input(clone: Path) -> None:
    assert "nowhere" in changes(clone, "--base", "nowhere", code=3)
