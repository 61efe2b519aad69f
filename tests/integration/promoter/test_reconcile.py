from __future__ import annotations

import concurrent.futures
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from registry.tracking import Tracking
from release.actions.approve import approve
from release.actions.promote import promote
from release.actions.stage import stage
from release.audit.audit import Audit, verify
from release.forges.plain import Plain
from release.git.commits import actor
from release.git.git import Git, GitResult
from release.git.signers import verify as verify_history
from release.promoter.reconcile import reconcile
from release.views.status import status
from release.views.unrecorded_commits import unrecorded
from slipway.answer import Answer
from tests.fixtures.registered import uploaded
from tests.integration.promoter.conftest import PromoterSite


def kinds(site: PromoterSite) -> list[str]:
    with site.context() as context:
        (done,) = reconcile(context, site.cluster)
    assert done.failed is None, done.failed
    return [one.kind for one in done.outcomes]


def test_all_is_one_and_nothing_happens(site: PromoterSite) -> None:
    assert kinds(site) == []
    assert site.actions() == []


def test_a_champion_that_may_goes_on_its_way_once_and_waits_for_its_approval(site: PromoterSite) -> None:
    site.put("staging", 2)
    site.champion(2)
    assert kinds(site) == ["opened"]
    assert kinds(site) == ["waiting"]
    assert site.requests() == ["release/tiny/2"]
    assert site.released("production") == 1
    assert site.actions() == [("promote", 2)]


@pytest.mark.long
def test_it_waits_while_the_bake_time_runs_and_while_the_cluster_is_away(site: PromoterSite) -> None:
    site.put("staging", 2)
    site.champion(2)
    site.stand.rollout("staging", site.release(2).digest, 2, seconds=5)
    assert kinds(site) == ["waiting"]
    site.stand.down = True
    assert set(kinds(site)) <= {"waiting", "mismatch"}
    assert site.aliases()["champion"] == 2
    assert site.requests() == []
    site.stand.down = False
    site.stand.rollout("staging", site.release(2).digest, 2)
    assert kinds(site) == ["opened"]


@pytest.mark.parametrize(("version", "reason"), [(3, "verdict"), (4, "staged")])
def test_an_alias_that_may_not_move_is_put_back_with_the_reason(site: PromoterSite, version: int, reason: str) -> None:
    if version == 3:
        site.put("staging", 3)
    site.champion(version)
    assert kinds(site) == ["put back"]
    assert site.aliases()["champion"] == 1
    assert reason in site.tags(version)["promotion_refused"]
    assert site.actions() == [("put-back", version)]
    assert site.requests() == []
    assert kinds(site) == []


def test_a_champion_whose_files_are_not_what_was_registered_is_put_back(site: PromoterSite) -> None:
    site.put("staging", 2)
    source = site.tracking().client.get_model_version("tiny", "2").source.removeprefix("file://")
    (Path(source) / "schema.json").write_text("{}")
    site.champion(2)
    with site.context() as context:  # a store without an answer may have one later
        away = replace(context, in_store=lambda *_: Answer(None, "no answer"))
        (done,) = reconcile(away, site.cluster)
    assert [one.kind for one in done.outcomes] == ["waiting"]
    assert site.aliases()["champion"] == 2
    assert kinds(site) == ["put back"]
    assert site.aliases()["champion"] == 1
    assert "schema.json of tiny version 2 is not what was registered" in site.tags(2)["promotion_refused"]
    assert site.requests() == []


def test_a_release_without_files_and_files_without_a_row_are_said(site: PromoterSite, tmp_path: Path) -> None:
    client = site.tracking().client
    client.delete_model_version("tiny", "4")
    run, model_id = uploaded(site.tracking(), "tiny")
    tags = {**site.tags(1), "image_digest": f"sha256:{5:064x}"}
    folder = Path(client.get_logged_model(model_id).artifact_location.removeprefix("file://"))
    client.create_model_version("tiny", f"models:/{model_id}", run_id=run, tags=tags, model_id=model_id)
    site.stand.images.add(f"sha256:{5:064x}")
    site.put("staging", 5)
    assert kinds(site) == []
    (folder / "golden.json").unlink()
    shutil.copytree(folder, folder.parents[1] / "m-of-another-day")
    with site.context() as context:
        (done,) = reconcile(context, site.cluster)
    assert [(one.kind, one.version, one.said) for one in done.outcomes] == [
        ("mismatch", 5, "the artifact store has no golden.json of what staging releases"),
        ("mismatch", None, "the artifact store has a model m-of-another-day; MLflow knows of none"),
    ]


def test_a_failed_analysis_takes_the_release_back_everywhere(site: PromoterSite) -> None:
    site.put("staging", 2)
    site.put("production", 2)
    site.champion(2)
    site.stand.rollout("production", site.release(2).digest, 2, active=site.release(1).digest, failed="golden differs")
    assert "reverted" in kinds(site)
    assert site.released("production") == 1
    assert site.aliases()["champion"] == 1
    assert "golden differs" in site.tags(2)["rejected"]
    site.stand.rollout("production", site.release(1).digest, 1)
    assert kinds(site) == []
    assert [one for one in site.actions() if one[0] == "revert"] == [("revert", 1)]


def test_a_version_that_fails_in_staging_is_rejected_and_staging_goes_back(site: PromoterSite) -> None:
    site.put("staging", 2)
    site.champion(2)
    site.stand.rollout("staging", site.release(2).digest, 2, active=site.release(1).digest, failed="too slow")
    assert "reverted" in kinds(site)
    assert site.released("staging") == 1
    assert site.aliases()["champion"] == 1
    assert "too slow" in site.tags(2)["rejected"]


@pytest.mark.long
def test_a_merge_is_recorded_with_its_approver_even_if_nobody_did_it_then(site: PromoterSite) -> None:
    site.put("staging", 2)
    site.champion(2)
    kinds(site)
    with site.context() as context:
        clone = replace(context.clone, remote=replace(context.clone.remote, actor=actor("Eve <eve@example.org>")))
        lost = replace(context, clone=clone, audit=Forgetful(site.audit.engine))
        approve(lost, "tiny")
    site.stand.rollout("production", site.release(2).digest, 2)
    assert "recorded" in kinds(site)
    entry = site.audit.entries()[-1]
    assert (entry.action, entry.actor, entry.version) == ("approve", "Eve <eve@example.org>", 2)
    assert kinds(site) == []


@pytest.mark.long
def test_a_staging_that_was_cut_off_before_its_record_is_recorded_as_its_commit_tells_it(site: PromoterSite) -> None:
    with site.context() as context:
        stage(replace(context, audit=Forgetful(site.audit.engine)), "tiny", "2", "try it")
        assert unrecorded(context.clone, site.audit.entries()) != []
    site.stand.rollout("staging", site.release(2).digest, 2)
    assert kinds(site) == ["recorded"]
    (entry,) = site.audit.entries()
    assert (entry.action, entry.actor, entry.reason) == ("stage", "Bot <bot@example.org>", "try it")
    assert (entry.source, entry.target) == (site.release(1).digest, site.release(2).digest)
    with site.context() as context:
        assert unrecorded(context.clone, site.audit.entries()) == []
    assert kinds(site) == []


@pytest.mark.long
def test_several_at_once_open_one_request(site: PromoterSite) -> None:
    site.put("staging", 2)
    site.champion(2)

    def once(number: int) -> None:
        with site.context() as context:
            remote = replace(context.clone.remote, actor=actor(f"Bot {number} <bot-{number}@example.org>"))
            (done,) = reconcile(replace(context, clone=replace(context.clone, remote=remote)), site.cluster)
        assert done.failed is None, done.failed

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(once, range(4)))
    assert site.requests() == ["release/tiny/2"]
    assert kinds(site) == ["waiting"]
    assert site.actions() == [("promote", 2)]
    assert site.aliases()["champion"] == 2


def test_a_release_that_mlflow_does_not_know_is_said(site: PromoterSite) -> None:
    site.tracking().tag_version("tiny", 1, "image_digest", "sha256:" + "f" * 64)
    site.stand.images = set()
    assert kinds(site) == ["mismatch"] * 4
    with site.context() as context:
        (found,) = status(context, site.cluster)
    assert any("MLflow has" in one.said for one in found.differences)


class Killed(BaseException):
    """Ends a pass like a signal would: nothing catches it."""


@dataclass
class Fuse:
    """Blows before the n-th act that changes something, or after it."""

    left: int
    after: bool
    acts: list[str] = field(default_factory=list)

    def around(self, what: str, act: Callable[[], Any]) -> Any:
        self.acts.append(what)
        blows = len(self.acts) == self.left
        if blows and not self.after:
            raise Killed(what)
        done = act()
        if blows:
            raise Killed(what)
        return done


@dataclass(frozen=True)
class FusedGit(Git):
    fuse: Any = None

    def attempt(self, *words: str, **named: Any) -> GitResult:
        if "push" not in words:
            return super().attempt(*words, **named)
        done: GitResult = self.fuse.around("push", lambda: Git.attempt(self, *words, **named))
        return done


@dataclass(frozen=True)
class FusedRecords:
    records: Any
    fuse: Fuse

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.records, name)
        if not name.startswith(("set_", "delete_")):
            return call
        return lambda *words, **named: self.fuse.around(name, lambda: call(*words, **named))


@dataclass(frozen=True)
class FusedAudit(Audit):
    fuse: Fuse

    def record(self, **entry: Any) -> Any:
        return self.fuse.around("record", lambda: Audit.record(self, **entry))


class Forgetful(Audit):
    def record(self, **_: Any) -> Any:
        return None


def cut_off(site: PromoterSite, left: int, after: bool) -> bool:
    fuse = Fuse(left, after)
    with site.context() as context:
        clone = replace(context.clone, git=FusedGit(context.clone.git.folder, context.clone.git.config, fuse))
        real = site.tracking()
        tracking = Tracking(real.uri, FusedRecords(real.records, fuse), real.files_at)
        fused = replace(
            context, clone=clone, forge=Plain(clone), open_tracking=lambda: tracking,
            audit=FusedAudit(site.audit.engine, fuse),
        )  # fmt: skip
        try:
            reconcile(fused, site.cluster)
        except Killed:
            return True
    return False


def wished(site: PromoterSite) -> None:
    site.put("staging", 2)
    site.champion(2)


def refused(site: PromoterSite) -> None:
    site.champion(4)


def broken(site: PromoterSite) -> None:
    site.put("staging", 2)
    site.put("production", 2)
    site.champion(2)
    site.stand.rollout("production", site.release(2).digest, 2, active=site.release(1).digest, failed="golden differs")


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("begin", "champion", "requests", "acts"),
    [
        (wished, 2, ["release/tiny/2"], ["promote"]),
        (refused, 1, [], ["put-back"]),
        (broken, 1, [], ["revert"]),
    ],
)
def test_killed_at_every_step_the_next_pass_completes_it(
    site: PromoterSite, begin: Callable[[Any], None], champion: int, requests: list[str], acts: list[str], after: bool
) -> None:
    begin(site)
    left = 1
    while cut_off(site, left, after) and left < 20:
        left += 1  # each pass goes on from where the one before was killed
        if begin is broken and site.released("production") == 1:
            site.stand.rollout("production", site.release(1).digest, 1)
    kinds(site)
    assert site.aliases()["champion"] == champion
    assert site.requests() == requests
    assert [one[0] for one in site.actions()] == acts
    assert site.released("production") == 1
    if begin is broken:
        assert "rejected" in site.tags(2)
    if begin is refused:
        assert "promotion_refused" in site.tags(4)
    assert verify(site.audit.entries()) == []


def test_a_merge_of_ones_own_request_by_plain_git_is_called_that_everywhere(site: PromoterSite, tmp_path: Path) -> None:
    site.put("staging", 2)
    with site.context() as context:
        promote(context, "tiny", "2")
    work, bot = tmp_path / "by-hand", ("-c", "user.name=Bot", "-c", "user.email=bot@example.org")
    subprocess.run(["git", "clone", "-q", str(site.remote), str(work)], check=True)
    for words in (("merge", "-q", "--no-ff", "-m", "Approve", "origin/release/tiny/2"), ("push", "-q")):
        subprocess.run(["git", "-C", str(work), *bot, *words], check=True)
    site.stand.rollout("production", site.release(2).digest, 2)
    assert "recorded" in kinds(site)
    entry = site.audit.entries()[-1]
    assert (entry.action, entry.version) == ("unapproved", 2)
    assert entry.reason == "Bot <bot@example.org> asked for it and merged it; no one else approved"
    assert "recorded" not in kinds(site)
    with site.context() as context:
        (found,) = status(context, site.cluster, "tiny")
        said = "asked for and approved by the same person, Bot <bot@example.org>"
        assert any(said in one.said for one in found.differences)
        assert any(said in one for one in verify_history(context.clone, "tiny"))
        assert unrecorded(context.clone, site.audit.entries()) == []
