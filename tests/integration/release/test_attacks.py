"""The record against its author: attacks by people who may push and sign, each by the real command line and real keys.

`slipway history --verify` must name every one of them, and nothing of the honest way between.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from registry.tracking import Tracking
from release.actions.approve import approve
from release.git.commits import Actor
from release.release_file import of_version, parse, render
from tests.fixtures.typed import typed
from tests.integration.release.conftest import ReleaseBench

pytestmark = pytest.mark.long  # git signs by ssh-keygen, which the long tier installs
BOT, ADA = Actor("bot", "bot@example.org"), Actor("Ada", "ada@example.org")
NAME = "tiny"
PATH = f"gitops/apps/{NAME}/production/release/kustomization.yaml"
STAGED = PATH.replace("production", "staging")
ADDRESS = {"ada": "ada@example.org", "bot": "bot@example.org", "eve": "eve@example.org", "bob": "bob@example.org"}


@dataclass(frozen=True)
class Insider:
    """A clone with a work tree, in which people commit by hand, with their own keys or without."""

    desk: Any
    keys: dict[str, str]
    root: str
    unstaged: str
    remote: Path
    work: Path
    home: Path

    def git(self, *words: str, by: str = "eve", key: str | None = None, date: str | None = None) -> str:
        name, address = by.capitalize(), ADDRESS[by]
        settings = ["-c", f"user.name={name}", "-c", f"user.email={address}", "-c", "gpg.format=ssh"]
        settings += ["-c", f"user.signingkey={self.keys[key]}"] if key else []
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home)}
        environment |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}
        done = subprocess.run(
            ["git", "-C", str(self.work), *settings, *words],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            (self.work / path).parent.mkdir(parents=True, exist_ok=True)
            (self.work / path).write_text(text)
        self.git("add", "-A")

    def commit(self, files: dict[str, str], message: str, by: str = "bot", key: str | None = "bot", **more: Any) -> str:
        self.write(files)
        sign = ["-S"] if key else []
        self.git("commit", "-q", "--allow-empty", *sign, "-m", message, by=by, key=key, **more)
        return self.git("rev-parse", "HEAD")

    def merge(self, tree: str, parents: list[str], message: str, by: str = "ada", key: str | None = "ada") -> str:
        above = [word for one in parents for word in ("-p", one)]
        made = self.git("commit-tree", *(["-S"] if key else []), *above, tree, "-m", message, by=by, key=key)
        self.git("reset", "-q", "--hard", made)
        return made

    def push(self) -> str:
        self.git("push", "-q", "origin", "HEAD:refs/heads/main")
        return self.git("rev-parse", "HEAD")

    def at(self, commit: str, path: str = PATH) -> str:
        return self.git("show", f"{commit}:{path}") + "\n"

    def trailers(self, text: str, action: str, **more: str) -> str:
        release = parse(text, PATH)
        assert release is not None
        said = {"Action": action, "Version": str(release.version), "Digest": release.digest, **more}
        return "\n\n" + "\n".join(f"Slipway-{key}: {value}" for key, value in said.items())

    def ask(self, text: str, by: str = "bot", key: str | None = "bot", base: str = "origin/main") -> str:
        """Make an honest request's commit."""
        self.git("reset", "-q", "--hard", base)
        return self.commit({PATH: text}, "Release" + self.trailers(text, "promote"), by, key)

    def verified(self) -> list[str]:
        """Type `slipway history NAME --verify --since ROOT`; return what it names."""
        settings = {
            "SLIPWAY_GITOPS_REMOTE": f"file://{self.remote}",
            "SLIPWAY_ALLOWED_SIGNERS": str(self.desk.folder / "signers"),
            "SLIPWAY_ACTOR": "Night <night@example.org>",
            "HOME": str(self.home),
        }
        words = ["history", NAME, "--verify", "--since", self.root, "--json"]
        done = typed(words, settings, self.home)
        assert done.code in (0, 4), done.err
        problems = json.JSONDecoder().raw_decode(done.out)[0]["problems"]
        assert bool(problems) == (done.code == 4)
        return problems  # type: ignore[no-any-return]


Honest = tuple[ReleaseBench, dict[str, str], str, str]  # with its keys, its first commit, the text of version 4


@pytest.fixture(scope="module")
def honest(
    make_desk: Callable[[Path], ReleaseBench],
    make_keys: Callable[[Path], dict[str, str]],
    in_git: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
    store: Tracking,
) -> Iterator[Honest]:
    """A branch on which versions 1 and 2 went the honest way, and version 3 was only staged; with version 4's file."""
    from release.actions.promote import promote
    from release.actions.stage import stage

    desk = make_desk(tmp_path_factory.mktemp("honest"))
    keys = make_keys(desk.folder)
    root = in_git(desk.remote, "rev-parse", "main")
    for number in (1, 2, 3):
        desk.version()
        with desk.acting(BOT, keys["bot"]) as context:
            stage(context, NAME, str(number))
            if number < 3:
                promote(context, NAME, str(number))
        if number < 3:
            with desk.acting(ADA, keys["ada"]) as context:
                approve(context, NAME)
    desk.version()
    fourth = next(one for one in store.versions(NAME) if one.number == 4)
    yield desk, keys, root, render(of_version(fourth))
    store.client.delete_registered_model(NAME)


@pytest.fixture
def insider(honest: Honest, in_git: Callable[..., str], tmp_path: Path) -> Insider:
    desk, keys, root, unstaged = honest
    remote, work, home = tmp_path / "remote.git", tmp_path / "work", tmp_path / "home"
    shutil.copytree(desk.remote, remote)
    home.mkdir()
    in_git(tmp_path, "clone", "-q", str(remote), str(work))
    return Insider(desk, keys, root, unstaged, remote, work, home)


def rollback_to_what_never_ran(at: Insider) -> str:
    text = at.unstaged
    return at.commit({PATH: text}, "Roll back" + at.trailers(text, "rollback"))


def rollback_to_what_was_only_staged(at: Insider) -> str:
    text = at.at("HEAD", STAGED)
    return at.commit({PATH: text}, "Roll back" + at.trailers(text, "revert"))


def rollback_to_another_image_of_a_version_that_ran(at: Insider) -> str:
    text = at.at("HEAD~2").replace("sha256:" + f"{1:064x}", "sha256:" + "e" * 64)
    return at.commit({PATH: text}, "Roll back" + at.trailers(text, "rollback"))


def rollback_that_says_another_version(at: Insider) -> str:
    first = at.git("log", "--first-parent", "--format=%H", "--", PATH).splitlines()[1]
    text = at.at(first)
    lie = at.trailers(text, "rollback", Rejects="2").replace("Slipway-Version: 1", "Slipway-Version: 2")
    return at.commit({PATH: text}, "Roll back" + lie)


def rollback_that_rejects_another_version(at: Insider) -> str:
    first = at.git("log", "--first-parent", "--format=%H", "--", PATH).splitlines()[1]
    text = at.at(first)
    return at.commit({PATH: text}, "Roll back" + at.trailers(text, "rollback", Rejects="3"))


def rollback_with_more_in_it(at: Insider) -> str:
    first = at.git("log", "--first-parent", "--format=%H", "--", PATH).splitlines()[1]
    text = at.at(first)
    more = {"gitops/apps/tiny/base/settings.env": "A=B\n"}
    return at.commit({PATH: text, **more}, "Roll back" + at.trailers(text, "rollback", Rejects="2"))


def two_actions(at: Insider) -> str:
    first = at.git("log", "--first-parent", "--format=%H", "--", PATH).splitlines()[1]
    text = at.at(first)
    return at.commit({PATH: text}, "Go" + at.trailers(text, "rollback") + "\nslipway-action: promote")


def action_in_the_middle_of_the_body(at: Insider) -> str:
    first = at.git("log", "--first-parent", "--format=%H", "--", PATH).splitlines()[1]
    text = at.at(first)
    return at.commit({PATH: text}, "Go" + at.trailers(text, "rollback") + "\n\nNo more to say.")


def git_revert_of_an_approval(at: Insider) -> str:
    at.git("revert", "-m", "1", "--no-edit", "-S", at.git("log", "-1", "--format=%H", "--first-parent", "--", PATH),
           by="bot", key="bot")  # fmt: skip
    return at.git("rev-parse", "HEAD")


def merge_with_another_tree(at: Insider) -> str:
    main, text = at.git("rev-parse", "HEAD"), at.at("HEAD", STAGED)
    request = at.ask(text)
    at.git("reset", "-q", "--hard", main)
    at.write({PATH: at.unstaged})
    return at.merge(at.git("write-tree"), [main, request], "Approve")


def merge_with_more_in_it(at: Insider) -> str:
    main, text = at.git("rev-parse", "HEAD"), at.at("HEAD", STAGED)
    request = at.ask(text)
    at.write({"gitops/apps/tiny/base/deployment.yaml": "kind: Deployment\n"})
    return at.merge(at.git("write-tree"), [main, request], "Approve")


def old_second_parent(at: Insider) -> str:
    main = at.git("rev-parse", "HEAD")
    at.write({PATH: at.at("HEAD", STAGED)})
    return at.merge(at.git("write-tree"), [main, at.root], "Approve")


def request_merged_before(at: Insider) -> str:
    main = at.git("rev-parse", "HEAD")
    old = at.git("log", "--first-parent", "--format=%P", "--", PATH).splitlines()[1].split()[1]
    at.write({PATH: at.at(old)})
    return at.merge(at.git("write-tree"), [main, old], "Approve")


def empty_unsigned_second_parent(at: Insider) -> str:
    main, text = at.git("rev-parse", "HEAD"), at.at("HEAD", STAGED)
    request = at.commit({}, "Nothing", "bob", None)
    at.write({PATH: text})
    at.merge(at.git("write-tree"), [main, request], "Approve")
    return request


def empty_signed_second_parent(at: Insider) -> str:
    main, text = at.git("rev-parse", "HEAD"), at.at("HEAD", STAGED)
    request = at.commit({}, "Nothing" + at.trailers(text, "promote"))
    at.write({PATH: text})
    return at.merge(at.git("write-tree"), [main, request], "Approve")


def request_from_before_the_last_release(at: Insider) -> str:
    main, text = at.git("rev-parse", "HEAD"), at.at("HEAD", STAGED)
    second = at.git("log", "-1", "--format=%H", "--first-parent", "--", PATH)
    request = at.ask(text, base=f"{second}^1")
    at.git("reset", "-q", "--hard", main)
    at.write({PATH: text})
    return at.merge(at.git("write-tree"), [main, request], "Resolve the conflict")


def octopus(at: Insider) -> str:
    main, text = at.git("rev-parse", "HEAD"), at.at("HEAD", STAGED)
    request = at.ask(text)
    at.git("reset", "-q", "--hard", main)
    other = at.commit({"note": "a\n"}, "Note")
    at.write({PATH: text})
    return at.merge(at.git("write-tree"), [main, request, other], "Approve two")


def swapped_parents(at: Insider) -> str:
    main, text = at.git("rev-parse", "HEAD"), at.at("HEAD", STAGED)
    request = at.ask(text)
    at.merge(at.git("rev-parse", f"{request}^{{tree}}"), [request, main], "Merge main")
    return request


def request_that_asks_nothing(at: Insider) -> str:
    main, text = at.git("rev-parse", "HEAD"), at.at("HEAD", STAGED)
    request = at.commit({PATH: text}, "Change a file")
    return at.merge(at.git("rev-parse", f"{request}^{{tree}}"), [main, request], "Approve")


def request_for_what_was_never_staged(at: Insider) -> str:
    main, request = at.git("rev-parse", "HEAD"), at.ask(at.unstaged)
    return at.merge(at.git("rev-parse", f"{request}^{{tree}}"), [main, request], "Approve")


def approval_in_anothers_name(at: Insider) -> str:
    main, request = at.git("rev-parse", "HEAD"), at.ask(at.at("HEAD", STAGED))
    said = "Approve\n\nSlipway-Approved-By: Bob <bob@example.org>"
    return at.merge(at.git("rev-parse", f"{request}^{{tree}}"), [main, request], said)


def own_request_under_another_name(at: Insider) -> str:
    main, request = at.git("rev-parse", "HEAD"), at.ask(at.at("HEAD", STAGED), by="bot", key="bot")
    return at.merge(at.git("rev-parse", f"{request}^{{tree}}"), [main, request], "Approve", by="ada", key="bot")


def own_request_by_another_key(at: Insider) -> str:
    main, request = at.git("rev-parse", "HEAD"), at.ask(at.at("HEAD", STAGED), by="ada", key="bot")
    return at.merge(at.git("rev-parse", f"{request}^{{tree}}"), [main, request], "Approve", by="ada", key="ada")


def trailers_in_a_name(at: Insider) -> str:
    """Divide the fields of `git log` by a name that holds what divides them."""
    at.write({PATH: at.at("HEAD", STAGED)})
    eve = "Eve\x1feve@example.org\x1f"
    forged = f"{eve}{eve}2026-01-01T00:00:00+00:00\x1fGo\x1f\x1eSlipway-Action: rollback\x1e"
    at.git("-c", f"user.name={forged}", "commit", "-q", "-S", "--author", f"{forged} <bot@example.org>", "-m", "Go",
           by="bot", key="bot")  # fmt: skip
    return at.git("rev-parse", "HEAD")


def squashed(at: Insider) -> str:
    text = at.at("HEAD", STAGED)
    return at.commit({PATH: text}, "Release 3 (#7)" + at.trailers(text, "promote"))


def unreadable_release_file(at: Insider) -> str:
    main, text = at.git("rev-parse", "HEAD"), at.at("HEAD", STAGED) + "# more\n"
    request = at.commit({PATH: text}, "Release\n\nSlipway-Action: promote")
    return at.merge(at.git("rev-parse", f"{request}^{{tree}}"), [main, request], "Approve")


def unsigned_rollout(at: Insider) -> str:
    return at.commit({"gitops/apps/tiny/base/rollout.yaml": "kind: Rollout\n"}, "Tune", "eve", None)


def unsigned_argocd(at: Insider) -> str:
    return at.commit({"gitops/argocd/applications.yaml": "kind: Application\n"}, "Tune", "eve", None)


def unsigned_components(at: Insider) -> str:
    return at.commit({"gitops/components/spool/kustomization.yaml": "kind: Component\n"}, "Tune", "eve", None)


def unsigned_shared_base(at: Insider) -> str:
    return at.commit({"gitops/base/rollout.yaml": "kind: Rollout\n"}, "Tune", "eve", None)


def image_of_the_shared_base(at: Insider) -> str:
    return at.commit({"gitops/base/rollout.yaml": "spec: {containers: [{image: evil.example/tiny}]}\n"}, "Tune")


def another_name_for_the_image(at: Insider) -> str:
    overlay = at.at("HEAD", "gitops/apps/tiny/production/kustomization.yaml")
    more = "configMapGenerator: [{name: MODEL, behavior: merge, literals: [name=evil]}]\n"
    return at.commit({"gitops/apps/tiny/production/kustomization.yaml": overlay + more}, "Tune")


def unsigned_and_taken_back(at: Insider) -> str:
    made = at.commit({"gitops/apps/tiny/base/rollout.yaml": "kind: Rollout\n"}, "Tune", "eve", None)
    (at.work / "gitops/apps/tiny/base/rollout.yaml").unlink()
    at.commit({}, "Take it back")
    return made


def unsigned_below_a_merge(at: Insider) -> str:
    main = at.git("rev-parse", "HEAD")
    made = at.commit({"gitops/apps/tiny/base/settings.env": "A=B\n"}, "Tune", "eve", None)
    at.merge(at.git("rev-parse", f"{made}^{{tree}}"), [main, made], "Merge")
    return made


def images_of_the_overlay(at: Insider) -> str:
    overlay = at.at("HEAD", "gitops/apps/tiny/production/kustomization.yaml")
    more = "images: [{name: tiny, newName: evil.example/tiny, newTag: v1}]\n"
    return at.commit({"gitops/apps/tiny/production/kustomization.yaml": overlay + more}, "Tune")


def unsigned_images_of_the_overlay(at: Insider) -> str:
    overlay = at.at("HEAD", "gitops/apps/tiny/production/kustomization.yaml")
    more = "images: [{name: tiny, newName: evil.example/tiny, newTag: v1}]\n"
    return at.commit({"gitops/apps/tiny/production/kustomization.yaml": overlay + more}, "Tune", "eve", None)


def image_in_a_patch(at: Insider) -> str:
    overlay = at.at("HEAD", "gitops/apps/tiny/production/kustomization.yaml")
    patch = "{op: replace, path: /spec/template/spec/containers/0/image, value: evil.example/tiny}"
    more = f"patches:\n- target: {{kind: Deployment}}\n  patch: |-\n    - {patch}\n"
    return at.commit({"gitops/apps/tiny/production/kustomization.yaml": overlay + more}, "Tune")


def release_of_another_name(at: Insider) -> str:
    overlay = at.at("HEAD", "gitops/apps/tiny/production/kustomization.yaml").replace("[release]", "[other]")
    files = {"gitops/apps/tiny/production/kustomization.yaml": overlay}
    files["gitops/apps/tiny/production/other/kustomization.yaml"] = at.at("HEAD", STAGED)
    return at.commit(files, "Rename")


def staging_rendered_in_production(at: Insider) -> str:
    overlay = at.at("HEAD", "gitops/apps/tiny/production/kustomization.yaml").replace(
        "[release]", "[../staging/release]"
    )
    return at.commit({"gitops/apps/tiny/production/kustomization.yaml": overlay}, "Tune")


def folder_outside(at: Insider) -> str:
    base = at.at("HEAD", "gitops/apps/tiny/base/kustomization.yaml").replace("[", "[../../../../elsewhere, ")
    return at.commit({"gitops/apps/tiny/base/kustomization.yaml": base}, "Tune")


def another_repository_for_argocd(at: Insider) -> str:
    text = "kind: Application\nspec: {source: {repoURL: https://evil.example/x, path: a, targetRevision: main}}\n"
    return at.commit({"gitops/argocd/applications.yaml": text}, "Tune")


def attributes_that_convert(at: Insider) -> str:
    return at.commit({".gitattributes": "gitops/** filter=lfs diff=lfs merge=lfs -text\n"}, "Tune")


def link_for_a_release_file(at: Insider) -> str:
    (at.work / PATH).unlink()
    (at.work / PATH).symlink_to("../../staging/release/kustomization.yaml")
    made = at.commit({}, "Link")
    (at.work / PATH).unlink()
    at.commit({PATH: at.at("HEAD~1", STAGED)}, "Take it back")
    return made


def submodule(at: Insider) -> str:
    at.git("update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},gitops/apps/tiny/base/more")
    at.git("commit", "-q", "-S", "-m", "Module", by="bot", key="bot")
    made = at.git("rev-parse", "HEAD")
    at.git("rm", "-q", "--cached", "gitops/apps/tiny/base/more")
    at.git("commit", "-q", "-S", "-m", "Take it back", by="bot", key="bot")
    return made


def key_that_is_not_allowed(at: Insider) -> str:
    return at.commit({"gitops/apps/tiny/base/settings.env": "A=B\n"}, "Tune", "eve", "eve")


def in_anothers_name(at: Insider) -> str:
    return at.commit({"gitops/apps/tiny/base/settings.env": "A=B\n"}, "Tune", "ada", "bot")


def dated_before_its_parent(at: Insider) -> str:
    files = {"gitops/apps/tiny/base/settings.env": "A=B\n"}
    return at.commit(files, "Tune", date="2020-01-01T00:00:00+00:00")


ATTACKS: list[tuple[Callable[[Insider], str], str]] = [
    (rollback_to_what_never_ran, "which production never ran"),
    (rollback_to_what_was_only_staged, "which production never ran"),
    (rollback_to_another_image_of_a_version_that_ran, "which production never ran"),
    (rollback_that_says_another_version, "has version 2; its release file has 1"),
    (rollback_that_rejects_another_version, "rejects version 3; production ran 2"),
    (rollback_with_more_in_it, "beside the release file"),
    (two_actions, "has Slipway-Action twice"),
    (action_in_the_middle_of_the_body, "without a record of a rollback"),
    (git_revert_of_an_approval, "without a record of a rollback"),
    (merge_with_another_tree, "releases something else than the request that it merges"),
    (merge_with_more_in_it, "beside the release file"),
    (old_second_parent, "merges nothing new"),
    (request_merged_before, "merges nothing new"),
    (empty_unsigned_second_parent, "not signed"),
    (empty_signed_second_parent, "its request changes nothing"),
    (request_from_before_the_last_release, "merges an old request"),
    (octopus, "merges more than one request"),
    (swapped_parents, "released without an approval"),
    (request_that_asks_nothing, "does not say that it asks for production"),
    (request_for_what_was_never_staged, "was never staged"),
    (approval_in_anothers_name, "names Bob <bob@example.org> as its approver, but Ada"),
    (own_request_under_another_name, "approved with the key that asked for it"),
    (own_request_by_another_key, "asked for and approved by the same person, Ada <ada@example.org>"),
    (trailers_in_a_name, "released without an approval"),
    (squashed, "released without an approval"),
    (unreadable_release_file, "its release file cannot be read"),
    (unsigned_rollout, "not signed"),
    (unsigned_argocd, "not signed"),
    (unsigned_components, "not signed"),
    (unsigned_shared_base, "not signed"),
    (unsigned_and_taken_back, "not signed"),
    (unsigned_below_a_merge, "not signed"),
    (images_of_the_overlay, "changes which program runs"),
    (
        unsigned_images_of_the_overlay,
        "not signed; gitops/apps/tiny/production/kustomization.yaml changes which program",
    ),
    (image_in_a_patch, "changes which program runs"),
    (image_of_the_shared_base, "changes which program runs"),
    (another_name_for_the_image, "changes which program runs"),
    (release_of_another_name, "changes which program runs"),
    (staging_rendered_in_production, "which no review covers"),
    (folder_outside, "which no review covers"),
    (another_repository_for_argocd, "changes which program runs"),
    (attributes_that_convert, "lets a checkout differ"),
    (link_for_a_release_file, "it is a link"),
    (submodule, "a link"),
    (key_that_is_not_allowed, "signed by a key that is not allowed"),
    (in_anothers_name, "signed by the key of bot@example.org in the name of Ada"),
    (dated_before_its_parent, "before the commit that it follows"),
]


@pytest.mark.parametrize(
    ("attack", "said"),
    [pytest.param(*one, id=one[0].__name__) for one in ATTACKS],
)
def test_an_attack_by_somebody_who_may_push_is_named(
    insider: Insider, attack: Callable[[Insider], str], said: str
) -> None:
    made = attack(insider)
    insider.push()
    named = [one for one in insider.verified() if one.startswith(made[:12])]
    assert named, "nothing was named"
    assert said in named[0]


def test_the_honest_way_is_named_nowhere(insider: Insider) -> None:
    main, text = insider.git("rev-parse", "HEAD"), insider.at("HEAD", STAGED)
    request = insider.ask(text)
    insider.git("reset", "-q", "--hard", main)
    insider.commit({"README.md": "words\n"}, "A change of the code", "eve", None)
    insider.git("merge", "-q", "--no-ff", "-S", "-m", "Merge pull request #7", request, by="ada", key="ada")
    insider.commit({"gitops/apps/tiny/base/settings.env": "A=B\n"}, "A setting")
    side = insider.commit(
        {"gitops/apps/tiny/base/deployment.yaml": "spec: {containers: [{image: b}]}\n"}, "Another image"
    )
    insider.git("reset", "-q", "--hard", "HEAD~1")
    insider.git("merge", "-q", "--no-ff", "-S", "-m", "Merge pull request #8", side, by="ada", key="ada")
    insider.push()
    first = insider.git("log", "--first-parent", "--format=%H", "--", PATH).splitlines()[-2]
    text = insider.at(first)
    insider.commit({PATH: text}, "Roll back" + insider.trailers(text, "rollback", Rejects="3"))
    insider.push()
    assert insider.verified() == []


@pytest.mark.parametrize(("by", "key", "believed"), [("eve", None, False), ("eve", "eve", False), ("bot", "bot", True)])
def test_only_who_may_sign_says_that_a_release_was_healthy_before_staging_moved_on(
    insider: Insider, by: str, key: str | None, believed: bool
) -> None:
    from release.bake import baked

    release = parse(insider.at("HEAD", STAGED), STAGED)
    assert release is not None
    said = insider.trailers(insider.unstaged, "stage", Baked=release.digest)
    insider.commit({STAGED: insider.unstaged}, "Stage tiny 4" + said, by, key)
    insider.push()
    shutil.copy(insider.desk.folder / "signers", insider.home)
    desk = replace(insider.desk, remote=insider.remote, folder=insider.home)
    with desk.acting(BOT, insider.keys["bot"]) as context:
        assert bool(baked(context, release)) == believed
