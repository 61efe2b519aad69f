"""What people answer to a request in their own place: they close it, take its merge back, or stage a newer version."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from release.actions.approve import approve
from release.actions.promote import promote
from release.actions.stage import stage
from release.audit.audit import in_time, verify
from release.context import Context
from release.forges.github import GitHub
from release.git.commits import actor
from release.promoter.reconcile import reconcile
from release.views.status import status
from slipway.errors import Refused
from tests.fixtures import github as standin
from tests.fixtures.github import State
from tests.integration.promoter.conftest import PromoterSite

pytestmark = pytest.mark.long  # seconds each

EVE = "Eve <eve@example.org>"


@pytest.fixture
def github(site: PromoterSite) -> Iterator[State]:
    """GitHub, with the branches of the site's repository."""
    with standin.serving() as state:
        state.branches = standin.Branches(site.remote)
        yield state
        assert state.problems == []


@pytest.fixture
def forge(github: State) -> Iterator[GitHub]:
    """The client of that GitHub."""
    with standin.connected(github) as client:
        yield client


def kinds(site: PromoterSite, **changes: Any) -> list[str]:
    with site.context() as context:
        (done,) = reconcile(replace(context, **changes), site.cluster)
    assert done.failed is None, done.failed
    return [one.kind for one in done.outcomes]


def as_eve(context: Context) -> Context:
    return replace(context, clone=replace(context.clone, remote=replace(context.clone.remote, actor=actor(EVE))))


def by_hand(site: PromoterSite, folder: Path, *commands: tuple[str, ...]) -> None:
    """Do something in a clone as Eve, and push."""
    subprocess.run(["git", "clone", "-q", str(site.remote), str(folder)], check=True)
    who = ("-c", "user.name=Eve", "-c", "user.email=eve@example.org")
    for words in (*commands, ("push", "-q")):
        subprocess.run(["git", "-C", str(folder), *who, *words], check=True)


def test_a_request_whose_branch_is_deleted_is_a_no_until_somebody_asks_again(site: PromoterSite) -> None:
    site.put("staging", 2)
    site.champion(2)
    assert kinds(site) == ["opened"]
    subprocess.run(["git", "-C", str(site.remote), "branch", "-q", "-D", "release/tiny/2"], check=True)
    assert kinds(site) == ["declined"]
    assert (site.requests(), site.aliases()["champion"]) == ([], 1)
    assert "release/tiny/2 was deleted" in site.tags(2)["promotion_refused"]
    assert kinds(site) == []
    assert site.actions() == [("promote", 2), ("decline", 2)]
    site.champion(2)
    assert kinds(site) == ["opened"]
    assert kinds(site) == ["waiting"]
    assert "promotion_refused" not in site.tags(2)
    subprocess.run(["git", "-C", str(site.remote), "branch", "-q", "-D", "release/tiny/2"], check=True)
    assert kinds(site) == ["declined"], "a second no counts like the first"
    assert kinds(site) == []
    assert verify(site.audit.entries()) == []


def test_a_pull_request_that_somebody_closes_is_a_no_in_their_name(
    site: PromoterSite, github: State, forge: GitHub
) -> None:
    site.put("staging", 2)
    site.champion(2)
    assert kinds(site, forge=forge) == ["opened"]
    github.close(1, "ada")
    assert kinds(site, forge=forge) == ["declined"]
    assert kinds(site, forge=forge) == []
    assert github.created == 1
    assert (site.requests(), site.aliases()["champion"]) == ([], 1), "the branch that was left is gone"
    entry = site.audit.entries()[-1]
    assert (entry.action, entry.actor, entry.version) == ("decline", "ada on GitHub", 2)
    assert entry.happened == "2026-11-20T10:00:00.000000+00:00"
    site.champion(2)
    assert kinds(site, forge=forge) == ["opened"]
    github.close(2, "ada")
    assert kinds(site, forge=forge) == ["declined"]
    assert github.created == 2


def test_a_pull_request_that_somebody_merged_was_not_closed(
    site: PromoterSite, github: State, forge: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.put("staging", 2)
    site.champion(2)
    kinds(site, forge=forge)
    with site.context() as before:  # a pass that looked at Git before the merge
        by_hand(site, tmp_path / "merge", ("merge", "-q", "--no-ff", "-m", "Merge", "origin/release/tiny/2"))
        github.merge(1)
        github.branches.pop("release/tiny/2")
        site.stand.rollout("production", site.release(2).digest, 2)
        monkeypatch.setattr(before.clone, "fetch", lambda: before.clone.head)
        (done,) = reconcile(replace(before, forge=forge), site.cluster)
    assert "declined" not in [one.kind for one in done.outcomes]
    assert "declined" not in kinds(site, forge=forge)
    assert ("decline", 2) not in site.actions()


def test_a_merge_that_is_reverted_in_git_is_held_until_somebody_asks_again(site: PromoterSite, tmp_path: Path) -> None:
    site.put("staging", 2)
    site.champion(2)
    kinds(site)
    with site.context() as context:
        approve(as_eve(context), "tiny")
    site.stand.rollout("production", site.release(2).digest, 2)
    assert kinds(site) == []
    by_hand(site, tmp_path / "revert", ("revert", "--no-edit", "-m", "1", "HEAD"))
    site.stand.rollout("production", site.release(1).digest, 1)
    assert kinds(site) == ["held"]
    assert (site.requests(), site.aliases()["champion"]) == ([], 1)
    assert kinds(site) == []
    entry = site.audit.entries()[-1]
    assert (entry.action, entry.actor, entry.version) == ("hold", EVE, 2)
    assert (entry.source, entry.target) == (site.release(2).digest, site.release(1).digest)
    assert "Eve" in site.tags(2)["promotion_refused"]
    with site.context() as context:
        (found,) = status(context, site.cluster)
    assert any("took version 2 out of production in Git" in one.said for one in found.differences)
    site.champion(2)
    assert kinds(site) == ["opened"]
    with site.context() as context:
        (found,) = status(context, site.cluster)
    assert not any("on hold" in one.said for one in found.differences)


def test_a_first_release_that_is_reverted_in_git_is_held_too(site: PromoterSite, tmp_path: Path) -> None:
    by_hand(
        site,
        tmp_path / "first",
        ("checkout", "-q", "HEAD~1", "--", "gitops/apps/tiny/production"),
        ("commit", "-qm", "No"),
    )
    assert "held" in kinds(site)
    assert "held" not in kinds(site)
    assert site.requests() == []
    assert "champion" not in site.aliases()


def test_a_request_outlives_the_next_staging_and_gives_way_to_the_next_request(
    site: PromoterSite, github: State, forge: GitHub
) -> None:
    site.put("staging", 2)
    site.champion(2)
    assert kinds(site, forge=forge) == ["opened"]
    site.put("staging", 4)
    assert kinds(site, forge=forge) == ["waiting"]
    site.champion(4)
    assert kinds(site, forge=forge) == ["opened"]
    assert [pull["state"] for pull in github.pulls] == ["closed", "open"]
    assert github.comments == ["Closed: version 4 is asked for now"]
    assert [(one["state"], one["description"]) for one in github.statuses if one["state"] == "failure"] == [
        ("failure", "version 4 is asked for now")
    ]
    assert kinds(site, forge=forge) == ["waiting"]
    assert "rejected" not in site.tags(2), "version 2 may be asked for again"
    assert site.requests() == ["release/tiny/4"]


def test_what_was_healthy_for_its_time_is_approved_after_staging_moved_on(site: PromoterSite) -> None:
    site.put("staging", 2)
    with site.context() as context:
        promote(context, "tiny", "2")
    site.put("staging", 4)
    with site.context() as context:
        assert approve(as_eve(context), "tiny").release.version == 2
    assert site.released("production") == 2


def test_a_release_says_in_its_commit_that_the_one_before_was_healthy_long_enough(site: PromoterSite) -> None:
    site.put("staging", 2)
    with site.context() as context:
        stage(context, "tiny", "4")
        assert context.clone.log()[0].trailers["Slipway-Baked"] == site.release(2).digest
        assert promote(context, "tiny", "2").created
        site.stand.rollout("staging", site.release(4).digest, 4, seconds=5)
        stage(context, "tiny", "1")
        assert "Slipway-Baked" not in context.clone.log()[0].trailers
        with pytest.raises(Refused, match="staged"):
            promote(context, "tiny", "4")


def test_a_request_that_nobody_judged_before_staging_moved_on_is_not_approved(site: PromoterSite) -> None:
    site.put("staging", 2)
    with site.context() as context:
        clone = context.clone
        text = clone.text(clone.path("tiny", "staging")) or ""
        made = clone.commit({clone.path("tiny", "production"): text}, "By hand\n", [clone.head])
        clone.git.run("push", "origin", f"{made}:refs/heads/release/tiny/2")
    site.put("staging", 4)
    with site.context() as context, pytest.raises(Refused, match="was not seen healthy"):
        approve(as_eve(context), "tiny")


def test_a_request_that_production_moved_away_from_turns_red_and_is_closed(
    site: PromoterSite, github: State, forge: GitHub
) -> None:
    site.put("staging", 2)
    site.champion(2)
    kinds(site, forge=forge)
    site.put("production", 4)
    assert kinds(site, forge=forge)[:1] == ["closed"]
    assert github.pulls[0]["state"] == "closed"
    assert github.comments == ["Closed: production has changed since it was opened"]
    assert github.statuses[-1]["state"] == "failure"
    assert github.statuses[-1]["context"] == "slipway/promotion"
    assert "declined" not in kinds(site, forge=forge)


def test_an_approval_that_is_recorded_late_stands_before_its_own_rollback(site: PromoterSite, tmp_path: Path) -> None:
    site.put("staging", 2)
    with site.context() as context:
        promote(context, "tiny", "2")
    by_hand(site, tmp_path / "merge", ("merge", "-q", "--no-ff", "-m", "Merge", "origin/release/tiny/2"))
    from release.actions.rollback import rollback

    with site.context() as context:
        rollback(context, "tiny", reason="slow")
    site.stand.rollout("production", site.release(1).digest, 1)
    kinds(site)
    assert [one.action for one in site.audit.entries()][-2:] == ["rollback", "approve"], "as it was recorded"
    told = [one for one in in_time(site.audit.entries()) if one.action in ("approve", "rollback")]
    assert [one.action for one in told] == ["approve", "rollback"], "as it happened"
    assert verify(site.audit.entries()) == []
