"""The rules over commits, without Git and without keys."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from release.git.approval import Merged, Past, ProductionStep, wrong
from release.git.commits import Actor, Commit
from release.git.runs import converts, leaves, program, renders
from release.git.signatures import principals, speaks_for
from release.release_file import Release

ADA, BOT = Actor("Ada", "ada@example.org"), Actor("bot", "bot@example.org")
PATH = "gitops/apps/tiny/production/release/kustomization.yaml"
FIRST = Release("tiny", 1, "a" * 32, "b" * 40, "c" * 32, "d" * 64, "e" * 64, "r.example/tiny", f"sha256:{1:064x}")
SECOND = replace(FIRST, version=2, digest=f"sha256:{2:064x}")
ASKED = Commit("a" * 40, ("9" * 40,), BOT, BOT, "2026-01-01", "Release", {"Slipway-Action": "promote"})
MERGED = Merged((ASKED,), ASKED, "two", (PATH,), "one")
MERGE = Commit("b" * 40, ("9" * 40, "a" * 40), ADA, ADA, "2026-01-01", "Approve", {})
APPROVED = ProductionStep(MERGE, PATH, (PATH,), "two", "one", SECOND, FIRST, None, MERGED)
BACK = Commit(
    "c" * 40, ("b" * 40,), ADA, ADA, "2026-01-01", "Back", {"Slipway-Action": "rollback", "Slipway-Rejects": "2"}
)
ROLLED = ProductionStep(BACK, PATH, (PATH,), "one", "two", FIRST, SECOND)
KEYS = {ASKED.sha: "SHA256:bot", MERGE.sha: "SHA256:ada", BACK.sha: "SHA256:ada"}


def past() -> Past:
    return Past(ran={"one"}, staged={"one", "two"})


def test_an_approval_and_a_way_back_are_right_with_keys_and_without() -> None:
    for keys in (KEYS, {}):
        assert wrong(APPROVED, past(), keys) == []
        assert wrong(ROLLED, past(), keys) == []


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (replace(APPROVED, merged=replace(MERGED, commits=())), "merges nothing new"),
        (replace(APPROVED, merged=replace(MERGED, blob="three")), "something else"),
        (replace(APPROVED, merged=replace(MERGED, changed=())), "changes nothing"),
        (replace(APPROVED, merged=replace(MERGED, changed=None)), "no history"),
        (replace(APPROVED, merged=replace(MERGED, base="nought")), "old request"),
        (replace(APPROVED, changed=(PATH, "x")), "changes x beside"),
        (replace(APPROVED, blob="three", merged=replace(MERGED, blob="three")), "never staged"),
        (replace(APPROVED, commit=replace(MERGE, author=BOT)), "the same person"),
        (replace(APPROVED, commit=replace(MERGE, parents=("1", "2", "3"))), "more than one request"),
        (replace(APPROVED, problem="not a kustomize Component"), "cannot be read"),
        (replace(APPROVED, release=None), "takes the release away"),
        (replace(ROLLED, blob="three"), "never ran"),
        (replace(ROLLED, before=FIRST), "rejects version 2; production ran 1"),
        (replace(ROLLED, commit=replace(BACK, trailers={})), "without a record of a rollback"),
    ],
)
def test_every_other_step_is_named(step: ProductionStep, said: str) -> None:
    assert any(said in one for one in wrong(step, past(), KEYS)), wrong(step, past(), KEYS)


def test_a_rejected_version_comes_back_by_no_way() -> None:
    assert wrong(ROLLED, replace(past(), rejected={1}), KEYS) == ["brings back version 1, which was rejected"]


@pytest.mark.parametrize(
    ("path", "rendered"),
    [
        (PATH, True),
        ("gitops/apps/tiny/base/rollout.yaml", True),
        ("gitops/base/rollout.yaml", True),
        ("gitops/base-next/rollout.yaml", True),
        ("gitops/apps/tiny/components/x.yaml", True),
        ("gitops/argocd/applications.yaml", True),
        ("gitops/components/x/kustomization.yaml", True),
        (".gitattributes", True),
        (".gitmodules", True),
        ("gitops/apps/tiny/staging/release/kustomization.yaml", False),
        ("gitops/apps/other/production/kustomization.yaml", False),
        ("training/train.py", False),
    ],
)
def test_what_production_renders(path: str, rendered: bool) -> None:
    assert renders("gitops", "tiny", path) is rendered


@pytest.mark.parametrize(
    "text",
    [
        "images: [{name: tiny, newName: evil}]",
        "spec: {containers: [{image: evil}]}",
        "patches: [{patch: '- {op: replace, path: /spec/template/spec/containers/0/image, value: evil}'}]",
        "patches:\n- patch: |\n    spec: {containers: [{name: a, command: [sh]}]}\n",
        "replacements: [{targets: [{fieldPaths: [spec.template.spec.containers.0.image]}]}]",
        "configMapGenerator: [{name: MODEL, behavior: merge, literals: [name=evil]}]",
        "spec: {source: {repoURL: evil}}",
        "image: {{ broken",
        "a: &a [*a, {image: evil}]",
        "image: x\na: " + "[" * 3000,
    ],
)
def test_what_says_which_program_runs(text: str) -> None:
    assert program(text) != program("spec: {replicas: 3}") == []


def test_what_an_image_is_filled_with_says_which_program_runs() -> None:
    def filled(key: str, target: str = "spec.containers.0.image") -> str:
        return f"replacements: [{{source: {{name: a, fieldPath: data.{key}}}, targets: [{{fieldPaths: [{target}]}}]}}]"

    assert program(filled("name")) != program(filled("evil"))
    assert program(filled("name", "spec.replicas")) == program(filled("evil", "spec.replicas")) == []
    assert (
        program("configMapGenerator: [{name: MODEL, literals: [host=a]}, {name: settings, literals: [name=b]}]") == []
    )


def test_a_bomb_of_aliases_is_read_in_no_time() -> None:
    levels = [f"l{depth}: &l{depth} [" + ", ".join([f"*l{depth - 1}"] * 9) + "]" for depth in range(1, 30)]
    assert program("\n".join(["l0: &l0 [x]", *levels, "images: *l29"]))


def test_what_leads_out_of_the_folders_that_are_looked_at() -> None:
    path = "gitops/apps/tiny/production/kustomization.yaml"
    text = (
        "resources: [../base, ../staging/release, https://evil.example/x, ../../../../other]\ncomponents: [release]\n"
    )
    assert leaves("gitops", "tiny", path, text) == ["../staging/release", "https://evil.example/x", "../../../../other"]
    assert converts("a merge=union\ngitops/** filter=lfs\n")
    assert not converts("CHANGELOG.md merge=union\n# x filter=lfs\n")


def test_a_key_speaks_for_the_addresses_that_it_is_listed_for() -> None:
    key = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20commits are signed by this key!!").decode()
    listed = principals(f'# all\nada@example.org,a@b namespaces="git" ssh-ed25519 {key} Ada\nbad ssh-ed25519 %%%\n')
    ((fingerprint, patterns),) = listed.items()
    assert fingerprint.startswith("SHA256:")
    assert patterns == ("ada@example.org", "a@b")
    assert speaks_for(patterns, Actor("Ada", "Ada+work@example.org"))
    assert not speaks_for(patterns, BOT)
    assert speaks_for(("*",), BOT)
    assert speaks_for(("release-bot",), BOT)
