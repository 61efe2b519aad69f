from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from pathlib import Path

import pytest

from release.actions.approve import approve
from release.actions.promote import promote
from release.actions.stage import stage
from release.git.commits import Actor
from release.git.signatures import signature
from release.git.signers import verify
from slipway.errors import Refused
from tests.integration.release.conftest import ReleaseBench

ADA, BOB, BOT = (Actor(name, f"{name.lower()}@example.org") for name in ("Ada", "Bob", "bot"))


@pytest.mark.long
def test_twenty_stagings_at_once_give_a_linear_history(desk: ReleaseBench) -> None:
    numbers = [desk.version() for _ in range(20)]

    def one(number: int) -> str | None:
        with desk.acting(Actor(f"bot{number}", "bot@example.org")) as context:
            return stage(context, "tiny", str(number)).commit

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        commits = list(pool.map(one, numbers))
    assert len(set(commits)) == 20
    assert len(desk.commits()) == 21
    assert sorted(action[1] for action in desk.actions()) == numbers


@pytest.mark.long
def test_promotions_at_once_leave_one_request(desk: ReleaseBench) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1")

    def one(number: int) -> str:
        with desk.acting(Actor(f"bot{number}", "bot@example.org")) as context:
            try:
                return promote(context, "tiny", "1").request.tip  # type: ignore[union-attr]
            except Refused as refused:
                return refused.thing

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        said = set(pool.map(one, range(8)))
    assert desk.branches() == ["main", "release/tiny/1"]
    assert len(said - {"the branch release/tiny/1 cannot be made in " + f"file://{desk.remote} (main)"}) == 1


def test_a_rewritten_history_is_refused_until_somebody_accepts_it(
    desk: ReleaseBench, in_git: Callable[..., str]
) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1")
    first = in_git(desk.remote, "rev-list", "--max-parents=0", "main")
    in_git(desk.remote, "update-ref", "refs/heads/main", first)
    with pytest.raises(Refused, match="was rewritten"), desk.acting():
        pass
    (desk.folder / "seen-bot").unlink()
    with desk.acting() as context:
        assert context.clone.head == first


def test_links_and_hooks_of_the_content_do_nothing(
    desk: ReleaseBench, in_git: Callable[..., str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    in_git(tmp_path, "clone", "-q", str(desk.remote), str(work))
    (work / "gitops/apps/tiny/staging/release/kustomization.yaml").unlink()
    (work / "gitops/apps/tiny/staging/release/kustomization.yaml").symlink_to("/etc/passwd")
    in_git(work, "add", "-A")
    in_git(work, "commit", "-q", "-m", "Link")
    in_git(work, "push", "-q", "origin", "main")
    with pytest.raises(Refused, match="a link"), desk.acting():
        pass


def test_a_push_that_the_server_refuses_is_reported_once(desk: ReleaseBench) -> None:
    desk.version()
    hook = desk.remote / "hooks/pre-receive"
    hook.write_text(f"#!/bin/sh\necho x >> {desk.folder}/pushes\necho protected >&2\nexit 1\n")
    hook.chmod(0o755)
    with desk.acting() as context, pytest.raises(Refused, match="protected"):
        stage(context, "tiny", "1")
    assert (desk.folder / "pushes").read_text() == "x\n"
    hook.unlink()
    with desk.acting() as context:
        assert stage(context, "tiny", "1").commit


@pytest.mark.long  # needs ssh-keygen
def test_every_step_is_signed_and_the_history_verifies(
    desk: ReleaseBench, keys: dict[str, str], in_git: Callable[..., str]
) -> None:
    desk.version()
    root = in_git(desk.remote, "rev-parse", "main")
    with desk.acting(BOT, keys["bot"]) as context:
        commit = stage(context, "tiny", "1").commit
        assert commit
        assert signature(context.clone, commit).letter == "G"
        promote(context, "tiny", "1")
    with desk.acting(ADA, keys["ada"]) as context:
        approve(context, "tiny")
        assert verify(context.clone, "tiny", root) == []


@pytest.mark.long
@pytest.mark.parametrize("key", [None, "eve"])
def test_an_unsigned_or_foreign_commit_under_a_signed_head_is_named(
    desk: ReleaseBench, keys: dict[str, str], in_git: Callable[..., str], key: str | None
) -> None:
    desk.version()
    root = in_git(desk.remote, "rev-parse", "main")
    with desk.acting(BOT, keys[key] if key else None) as context:
        stage(context, "tiny", "1")
        promote(context, "tiny", "1")
    with desk.acting(ADA) as context:
        approve(context, "tiny")
    with desk.acting(BOT, keys["bot"]) as context:
        clone = context.clone
        head = clone.commit({"README.md": "signed\n"}, "Sign the head\n", [clone.head])
        clone.git.run("push", "origin", f"{head}:refs/heads/main")
        clone.fetch()
        assert signature(clone, head).letter == "G"
        assert len(verify(clone, "tiny", root)) == 2


@pytest.mark.long
def test_the_same_key_under_another_name_approves_nothing(desk: ReleaseBench, keys: dict[str, str]) -> None:
    desk.version()
    with desk.acting(BOT, keys["bot"]) as context:
        stage(context, "tiny", "1")
        promote(context, "tiny", "1")
    with desk.acting(BOB, keys["bot"]) as context, pytest.raises(Refused, match="your own"):
        approve(context, "tiny")
    with desk.acting(ADA, keys["ada"]) as context:
        assert approve(context, "tiny").created


@pytest.mark.long  # needs ssh-keygen
def test_an_unsigned_request_is_not_approved_where_approvals_are_signed(
    desk: ReleaseBench, keys: dict[str, str]
) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1")
        promote(context, "tiny", "1")
    with desk.acting(ADA, keys["ada"]) as context, pytest.raises(Refused, match="not signed"):
        approve(context, "tiny")


@pytest.mark.long
def test_where_keys_are_listed_a_request_by_another_key_is_not_approved_nor_by_another_approver(
    desk: ReleaseBench, keys: dict[str, str]
) -> None:
    desk.version()
    with desk.acting(BOT, keys["eve"]) as context:
        stage(context, "tiny", "1")
        request = promote(context, "tiny", "1").request
    with desk.acting(ADA, keys["ada"]) as context, pytest.raises(Refused, match="signed by a key that is not allowed"):
        approve(context, "tiny")
    with desk.acting(BOT, keys["bot"]) as context:
        assert request is not None
        context.forge.close(request, "signed by nobody we know")
        promote(context, "tiny", "1")
    with desk.acting(ADA, keys["eve"]) as context, pytest.raises(Refused, match="the approver's key is not allowed"):
        approve(context, "tiny")
    with desk.acting(ADA, keys["ada"]) as context:
        assert approve(context, "tiny").created


@pytest.mark.long  # needs ssh-keygen
def test_a_release_that_nobody_else_approved_is_named_though_every_commit_is_signed(
    desk: ReleaseBench, keys: dict[str, str], in_git: Callable[..., str]
) -> None:
    desk.version()
    desk.version()
    root = in_git(desk.remote, "rev-parse", "main")
    with desk.acting(BOT, keys["bot"]) as context:
        clone = context.clone
        for number in ("1", "2"):
            stage(context, "tiny", number)
            path, staged = clone.path("tiny", "production"), clone.text(clone.path("tiny", "staging")) or ""
            asked = clone.commit({path: staged}, "Release\n\nSlipway-Action: promote\n", [clone.head])
            parents = [clone.head] if number == "1" else [clone.head, asked]
            landed = clone.commit({path: staged}, "Approve\n\nSlipway-Approved-By: Ada <ada@example.org>\n", parents)
            clone.git.run("push", "origin", f"{landed}:refs/heads/main")
            clone.fetch()
        said = [one.partition(": ")[2] for one in verify(clone, "tiny", root)]
    assert said == ["approved with the key that asked for it", "released without an approval"]


@pytest.mark.long  # needs ssh-keygen
@pytest.mark.parametrize(("key", "said"), [(None, "not signed"), ("ada", "your own")])
def test_every_commit_of_a_request_is_looked_at_not_its_tip_alone(
    desk: ReleaseBench, keys: dict[str, str], key: str | None, said: str
) -> None:
    desk.version()
    with desk.acting(BOT, keys["bot"]) as context:
        stage(context, "tiny", "1")
    with desk.acting(BOT, keys[key] if key else None) as context:
        clone = context.clone
        path, staged = clone.path("tiny", "production"), clone.text(clone.path("tiny", "staging")) or ""
        under = clone.commit({path: staged}, "Release, by somebody", [clone.head])
        clone.git.run("push", "origin", f"{under}:refs/heads/under")
    with desk.acting(BOT, keys["bot"]) as context:
        context.clone.git.run("fetch", "origin", "under")
        tip = context.clone.commit({path: staged}, "Release", [under])
        context.clone.git.run("push", "origin", f"{tip}:refs/heads/release/tiny/1")
    with desk.acting(ADA, keys["ada"]) as context, pytest.raises(Refused, match=said):
        approve(context, "tiny")
