"""Every command of the release path, typed: help, JSON, each exit code, and errors that say how to go on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import CoreV1Api  # noqa: F401 - two seconds, once and not in every fork

from slipway.cli import COMMANDS
from tests.fixtures.servers import free_port, wait_until
from tests.fixtures.typed import Typed, typed
from tests.integration.promoter.conftest import PromoterSite

OWN = sorted(name for name, (target, _) in COMMANDS.items() if target.startswith("release."))
EVE = "Eve <eve@example.org>"
Types = Callable[..., Typed]


@pytest.fixture
def types(site: PromoterSite, tmp_path: Path) -> Types:
    return typing_at(site, tmp_path)


def settings(site: PromoterSite, top: Path) -> dict[str, str]:
    return {
        "SLIPWAY_GITOPS_REMOTE": str(site.remote),
        "SLIPWAY_AUDIT_URL": str(site.audit.engine.url),
        "SLIPWAY_ACTOR": "Ada <ada@example.org>",
        "SLIPWAY_BAKE_SECONDS": "60",
        "MLFLOW_TRACKING_URI": site.store,
        "KUBECONFIG": str(site.kubeconfig),
        "HOME": str(top),
    }


def typing_at(site: PromoterSite, top: Path) -> Types:
    folder = top / "project"
    folder.mkdir()

    def run(*words: str, without: tuple[str, ...] = (), stdin: str = "", **changed: str) -> Typed:
        return typed(list(words), settings(site, top) | changed, folder, without, stdin)

    return run


def staged(site: PromoterSite) -> None:
    site.put("staging", 2)


def requested(site: PromoterSite) -> None:
    from release.actions.promote import promote

    staged(site)
    with site.context() as context:
        promote(context, "tiny", "2")


def released(site: PromoterSite) -> None:
    site.put("staging", 2)
    site.put("production", 2)
    site.champion(2)


def as_it_is(_: Any) -> None: ...


@pytest.mark.parametrize("name", OWN)
def test_help_shows_an_example_of_the_command_itself(name: str, tmp_path: Path) -> None:
    done = typed([name, "--help"], {"COLUMNS": "120"}, tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "Example" in done.out
    assert f"slipway {name}" in done.out.partition("Example")[2]


DONE: dict[str, tuple[Callable[[Any], None], list[str], Callable[[Any], bool]]] = {
    "stage": (as_it_is, ["tiny", "2", "--reason", "try it"], lambda said: said["release"]["version"] == 2),
    "promote": (staged, ["tiny", "2"], lambda said: said["created"] and said["verdict"]["verdict"] == "passed"),
    "approve": (requested, ["tiny", "--as", EVE, "--yes"], lambda said: said["created"]),
    "reject": (as_it_is, ["tiny", "2", "--reason", "wrong"], lambda said: said["version"] == 2),
    "rollback": (released, ["tiny", "--reason", "slow"], lambda said: said["rejected"] == 2),
    "history": (as_it_is, ["tiny", "staging"], lambda said: said["releases"][0]["version"] == 1),
    "diff": (as_it_is, ["tiny"], lambda said: said["rendered"] == ""),
    "status": (as_it_is, [], lambda said: said[0]["agree"]),
    "trace": (as_it_is, ["tiny@champion"], lambda said: len(said["releases"]) == 2),
    "reconcile": (staged, ["--once"], lambda said: said[0]["failed"] is None),
    "audit": (as_it_is, ["--verify"], lambda said: said["verified"]),
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(one, marks=[] if one in ("stage", "status", "history") else pytest.mark.long)
        for one in sorted(DONE)
    ],
)
def test_what_is_done_is_told_in_json(site: PromoterSite, types: Types, name: str) -> None:
    begin, words, right = DONE[name]
    begin(site)
    done = types(name, *words, "--json")
    assert done.code == 0, done.err
    assert right(done.said()), done.out


def nowhere() -> str:
    return f"127.0.0.1:{free_port()}"


AWAY = {"SLIPWAY_GITOPS_REMOTE": "file:///nowhere/manifests.git"}
NO_RECORD = {"SLIPWAY_AUDIT_URL": f"postgresql://ada:word@{nowhere()}/audit"}
FAILED: list[tuple[str, list[str], int, str, dict[str, str]]] = [
    ("proposal", [], 3, "nothing to give a verdict on", {}),
    ("proposal", ["1"], 3, "SLIPWAY_FORGE=github needs", {}),
    ("stage", ["TINY", "1"], 3, "`TINY@1` is not a valid reference", {}),
    ("stage", ["tiny", "9"], 3, "9", {}),
    ("stage", ["tiny", "@nobody"], 3, "nobody", {}),
    ("stage", ["other", "1"], 3, "other", {}),
    ("stage", ["tiny", "1"], 3, "no one is named", {"SLIPWAY_ACTOR": "Ada"}),
    ("stage", ["tiny", "1"], 3, "SLIPWAY_FORGE", {"SLIPWAY_FORGE": "gitlab"}),
    ("stage", ["tiny", "1"], 3, "SLIPWAY_GITOPS_FOLDER", {"SLIPWAY_GITOPS_FOLDER": "../x"}),
    ("stage", ["tiny", "1"], 3, "SLIPWAY_BAKE_SECONDS", {"SLIPWAY_BAKE_SECONDS": "soon"}),
    ("stage", ["tiny", "1"], 3, "SLIPWAY_SIGNING_KEY", {"SLIPWAY_SIGNING_KEY": "/nowhere/key"}),
    ("stage", ["tiny", "1"], 3, "SLIPWAY_AUDIT_URL", {"SLIPWAY_AUDIT_URL": "mysql://host/audit"}),
    ("stage", ["tiny", "1"], 3, "SLIPWAY_AUDIT_URL", {"SLIPWAY_AUDIT_URL": "no address"}),
    ("stage", ["tiny", "1"], 5, "git fetch failed", AWAY),
    ("stage", ["tiny", "2"], 5, "audit record", NO_RECORD),
    ("promote", ["tiny", "3"], 4, "may not go to production", {}),
    ("promote", ["tiny", "9"], 3, "9", {}),
    ("promote", ["tiny"], 3, "SLIPWAY_FORGE=github needs", {"SLIPWAY_FORGE": "github"}),
    ("promote", ["tiny", "2"], 5, "git fetch failed", AWAY),
    ("approve", ["tiny"], 3, "no request of tiny is open", {}),
    ("approve", ["tiny", "--as", "Eve"], 3, "no one is named", {}),
    ("approve", ["tiny"], 5, "git fetch failed", AWAY),
    ("reject", ["tiny", "1", "--reason", "x"], 4, "production runs tiny version 1", {}),
    ("reject", ["tiny", "9", "--reason", "x"], 3, "9", {}),
    ("rollback", ["tiny", "--reason", "x"], 3, "never ran an earlier release", {}),
    ("rollback", ["other", "--reason", "x"], 3, "no model other", {}),
    ("rollback", ["tiny", "--reason", "x"], 5, "git fetch failed", AWAY),
    ("history", ["tiny", "--verify"], 4, "does not verify", {}),
    ("history", ["other"], 3, "no model other", {}),
    ("history", ["tiny", "--verify", "--since", "0" * 40], 4, "is not in the history", {}),
    ("diff", ["other"], 3, "other", {}),
    ("status", ["other"], 3, "no model other", {}),
    ("trace", ["nothing-like-this"], 3, "is unknown to", {}),
    ("trace", ["nothing-like-this"], 5, "journal", {"SLIPWAY_DATABASE_URL": f"postgresql://ada:word@{nowhere()}/j"}),
    ("trace", ["tiny/9"], 3, "no version for", {}),
    ("resume", ["tiny"], 3, "nothing to resume", {}),
    ("abort", ["tiny", "staging"], 3, "nothing to abort", {}),
    ("abort", ["tiny"], 5, "cluster", {"KUBECONFIG": "/nowhere/kubeconfig"}),
    ("resume", ["other"], 3, "other has no release", {}),
    ("smoke", ["other"], 3, "other has no release", {}),
    ("smoke", ["tiny"], 5, "cluster", {"KUBECONFIG": "/nowhere/kubeconfig"}),
    ("audit", ["--verify", "--head", "9:" + "f" * 64], 4, "audit record was changed", {}),
    ("audit", ["--verify", "--head", "x"], 3, "no head", {}),
    ("audit", ["TINY"], 3, "is not a valid model name", {}),
    ("audit", [], 5, "audit record", NO_RECORD),
    ("webhook", [], 3, "no secret", {}),
    ("webhook", [], 3, "secret", {"SLIPWAY_WEBHOOK_SECRET_FILE": "/nowhere/secret"}),
    ("changes", ["--base", "0" * 40], 3, "git merge-base", {}),
    ("protect", [], 3, "no GitHub App", {}),
    ("protect", ["--app-id", "1"], 3, "GITHUB_REPOSITORY and GITHUB_TOKEN are not both set", {}),
    ("reconcile", ["TINY", "--once"], 3, "is not a valid model name", {}),
    ("reconcile", ["--once"], 5, "git fetch failed", AWAY),
]


@pytest.mark.parametrize(("name", "words", "code", "thing", "changed"), FAILED)
def test_an_error_says_what_it_is_what_was_expected_or_found_and_what_to_type(
    still: PromoterSite, tmp_path: Path, name: str, words: list[str], code: int, thing: str, changed: dict[str, str]
) -> None:
    as_json = [] if name == "webhook" else ["--json"]
    done = typing_at(still, tmp_path)(name, *words, *as_json, **changed)
    assert done.code == code, done.out + done.err
    assert "Traceback" not in done.err
    assert "word" not in done.out + done.err  # the password of an address
    lines = done.err[done.err.index("error: ") :].splitlines()
    assert thing in lines[0]
    parts = {line.strip().partition(":")[0] for line in lines[1:]}
    assert parts & {"expected", "found"}
    assert "next" in parts
    if as_json:
        said = Typed(0, done.out[done.out.rindex('{"error"') :], "").said()
        assert said["exit_code"] == code
        assert thing in said["thing"]
        assert said["next"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stage"], "NAME[@ALIAS|@NUMBER]"),
        (["reject", "tiny", "2"], "--reason"),
        (["rollback", "tiny", "elsewhere", "--reason", "x"], "elsewhere"),
        (["rollback", "tiny", "--reason", "x", "--to", "0"], "--to"),
        (["history", "tiny", "--limit", "none"], "--limit"),
        (["reconcile", "--every", "0"], "--every"),
        (["status", "--no-such-option"], "--no-such-option"),
        (["no-such-command"], "no-such-command"),
    ],
)
def test_wrong_usage_ends_with_2_and_touches_nothing(tmp_path: Path, words: list[str], said: str) -> None:
    done = typed(words, {"COLUMNS": "120"}, tmp_path)
    assert done.code == 2
    assert said in done.err


def test_a_missing_library_ends_with_1_and_names_the_extra(tmp_path: Path) -> None:
    settings = {"SLIPWAY_ACTOR": "Ada <ada@example.org>", "HOME": str(tmp_path)}
    loaded = ("yaml", "release.wiring")
    done = typed(["stage", "tiny", "1"], settings, tmp_path, without=loaded)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "pip install 'slipway[registry]'" in done.err


def test_status_that_differs_ends_with_4_and_says_where(site: PromoterSite, types: Types) -> None:
    requested(site)
    done = types("status", "tiny", "--json")
    assert done.code == 4
    assert [one["hint"] for one in done.said()[0]["differences"]] == ["slipway approve tiny"]
    assert "slipway approve tiny" in types("status", COLUMNS="200").out


@pytest.mark.parametrize("cluster", ["", "/nowhere/kubeconfig"])
def test_status_without_a_cluster_shows_git_and_mlflow_and_says_whom_it_could_not_ask(
    still: PromoterSite, tmp_path: Path, cluster: str
) -> None:
    types = typing_at(still, tmp_path)
    done = types("status", "tiny", "--json", KUBECONFIG=cluster)
    assert (done.code, done.err) == (5, "")
    (one,) = done.said()
    assert (one["staging"]["release"]["version"], one["staging"]["rollout"], one["staging"]["asked"]) == (
        1,
        None,
        False,
    )
    assert [each["version"] for each in one["versions"]] == [1]
    assert (one["differences"], one["agree"]) == ([], None)
    assert [each.partition(":")[0] for each in one["missing"]] == ["no Kubernetes cluster is set"]
    shown = types("status", COLUMNS="200", KUBECONFIG=cluster)
    assert shown.code == 5
    assert "champion 1, passed" in shown.out
    assert "not asked: no Kubernetes cluster is set: " in shown.out
    assert "agree" not in shown.out


def test_status_without_mlflow_shows_git_and_the_cluster(still: PromoterSite, tmp_path: Path) -> None:
    types = typing_at(still, tmp_path)
    done = types("status", "tiny", "--json", MLFLOW_TRACKING_URI=f"http://{nowhere()}")
    assert (done.code, done.err) == (5, "")
    (one,) = done.said()
    assert (one["production"]["rollout"]["phase"], one["versions"], one["agree"]) == ("Healthy", None, None)
    assert one["differences"] == []
    assert len(one["missing"]) == 1


@pytest.mark.long
def test_nobody_approves_without_saying_yes_nor_their_own_request(site: PromoterSite, types: Types) -> None:
    requested(site)
    done = types("approve", "tiny", "--as", "Bot <bot@example.org>", "--yes")
    assert (done.code, "you cannot approve your own request" in done.err) == (4, True)
    done = types("approve", "tiny", "--as", EVE, stdin="n\n", PATH="/usr/bin:/bin")
    assert done.code in (3, 5)  # not approved; or no kustomize to show it with
    assert site.released("production") == 1
    assert types("approve", "tiny", "--as", EVE, "--yes").code == 0
    assert site.released("production") == 2


def test_a_history_of_signed_and_approved_releases_ends_with_0(site: PromoterSite, types: Types) -> None:
    with site.clone() as clone:
        head = clone.head
    assert types("history", "tiny", "--verify", "--since", head, "--json").said()["problems"] == []


@pytest.mark.long
def test_a_loop_outlives_a_git_that_is_away(site: PromoterSite, tmp_path: Path) -> None:
    staged(site)
    log, away = tmp_path / "log", site.remote.with_name("away.git")
    command = [str(Path(sys.executable).with_name("slipway")), "reconcile", "--every", "1", "-C", str(tmp_path)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | settings(site, tmp_path)
        )
    try:
        site.champion(3)
        wait_until(lambda: "put back" in log.read_text(), 60, "the first pass")
        site.remote.rename(away)
        wait_until(lambda: "git fetch failed" in log.read_text(), 30, "a pass that fails")
        away.rename(site.remote)
        site.champion(2)
        wait_until(lambda: site.requests() == ["release/tiny/2"], 60, "a pass after it")
    finally:
        process.terminate()
        process.wait(30)


def test_every_command_of_the_release_path_is_typed_here() -> None:
    assert sorted({*DONE, *(one[0] for one in FAILED)}) == OWN
    assert {one[2] for one in FAILED} == {3, 4, 5}


WRITES = {
    "stage": ["tiny", "2"],
    "promote": ["tiny", "2"],
    "approve": ["tiny", "--as", EVE, "--yes"],
    "reject": ["tiny", "2", "--reason", "x"],
    "rollback": ["tiny", "--reason", "x"],
    "resume": ["tiny"],
    "abort": ["tiny"],
    "smoke": ["tiny"],
    "reconcile": ["tiny", "--once"],
}


@pytest.mark.long
def test_a_second_machine_with_empty_stores_of_its_own_is_refused_with_the_address_to_set(
    site: PromoterSite, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first, second = typing_at(site, tmp_path / "one"), typing_at(site, tmp_path / "two")
    assert first("stage", "tiny", "2").code == 0
    assert first("stage", "tiny", "4").code == 0
    head = site.commits()
    for name, words in WRITES.items():
        done = second(name, *words, SLIPWAY_AUDIT_URL="")
        assert done.code == 4, (name, done.out, done.err)
        assert "SLIPWAY_AUDIT_URL" in done.err, name
    for name in ("rollback", "reject", "stage"):
        done = second(name, *WRITES[name], MLFLOW_TRACKING_URI="")
        assert done.code == 4, (name, done.out, done.err)
        assert "MLFLOW_TRACKING_URI" in done.err, name
    assert site.commits() == head
    assert [one.action for one in site.audit.entries()] == ["stage", "stage"]
    assert second("audit", "--verify").code == 0
    lost = f"1:{site.audit.entries()[0].hash}"
    assert second("stage", "tiny", "2", SLIPWAY_AUDIT_URL="", SLIPWAY_AUDIT_LOST=lost).code == 0


def test_a_rollback_never_says_rejected_where_no_version_was_tagged(site: PromoterSite, types: Types) -> None:
    site.put("production", 2)
    site.tracking().delete_version("tiny", 2)
    done = types("rollback", "tiny", "--reason", "slow")
    assert done.code == 0, done.err
    assert "is rejected" not in done.out
    assert "MLflow has no version 2 to reject" in done.out
