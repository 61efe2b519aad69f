from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry import stored
from release.actions.approve import approve
from release.actions.promote import promote
from release.actions.reject import reject
from release.actions.rollback import rollback
from release.actions.stage import stage
from release.audit.audit import open_audit, verify
from release.cluster.health import Health
from release.git import history as past
from release.git.commits import Actor
from release.git.heads import audit_heads
from release.git.signers import unsound
from release.views.unrecorded_commits import unrecorded
from slipway.answer import Answer
from slipway.errors import BadInput, Refused, Unavailable
from tests.integration.release.conftest import ReleaseBench

ADA, PLUS = Actor("Ada", "ada@example.org"), Actor("Somebody else", "Bot+work@Example.org")


def test_a_version_goes_the_whole_way_and_twice_does_nothing(desk: ReleaseBench) -> None:
    number = desk.version()
    with desk.acting() as context:
        assert stage(context, "tiny", "1").commit
        assert stage(context, "tiny", "1").commit is None
        before = desk.text("production")
        opened = promote(context, "tiny", "1")
        again = promote(context, "tiny", "1")
    assert (opened.created, again.created) == (True, False)
    assert opened.request is not None
    assert again.request is not None
    assert opened.request.tip == again.request.tip
    assert desk.text("production") == before
    with desk.acting(ADA) as context:
        assert approve(context, "tiny").created
        assert not approve(context, "tiny").created
    assert desk.text("production") == desk.text("staging")
    assert desk.branches() == ["main"]
    assert desk.aliases() == {"champion": number}
    assert desk.commits() == ["Approve tiny 1 for production", "Stage tiny 1", "Begin"]
    assert desk.actions() == [("stage", 1), ("promote", 1), ("approve", 1)]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"health": lambda *_: Health(None, "no cluster to ask")}, "staging_healthy_seconds"),
        ({"health": lambda *_: Health(599.0, "healthy")}, "staging_healthy_seconds"),
        ({"in_registry": lambda *_: Answer(None, "no answer")}, "image_in_registry"),
        ({"in_registry": lambda *_: Answer(False, "gone")}, "image_in_registry"),
        ({"in_store": lambda *_: Answer(None, "no answer")}, "model_in_store"),
        ({"in_store": stored.whole}, "model_in_store"),  # a version whose files are nowhere
    ],
)
def test_promotion_fails_closed(desk: ReleaseBench, changes: dict[str, Any], rule: str) -> None:
    desk.version()
    with desk.acting(**changes) as context:
        stage(context, "tiny", "1")
        with pytest.raises(Refused, match=rule):
            promote(context, "tiny", "1")
    assert rule in desk.tags(1)["promotion_refused"]
    assert desk.branches() == ["main"]
    with desk.acting() as context:
        assert promote(context, "tiny", "1").created
    assert "promotion_refused" not in desk.tags(1)


def test_promotion_refuses_what_the_gate_refused_and_what_staging_does_not_run(desk: ReleaseBench) -> None:
    desk.version("failed")
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1", allow_failed=True)
        with pytest.raises(Refused, match="verdict: the gate's verdict is failed"):
            promote(context, "tiny", "1")
        with pytest.raises(Refused, match="staged: staging's release file is version 1"):
            promote(context, "tiny", "2")


@pytest.mark.long
def test_a_newer_promotion_takes_the_place_of_an_older_and_an_older_one_waits(desk: ReleaseBench) -> None:
    desk.version()
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1")
        promote(context, "tiny", "1")
        stage(context, "tiny", "2")
        assert promote(context, "tiny", "2").created
        assert desk.branches() == ["main", "release/tiny/2"]
        with pytest.raises(Refused, match="no_other_request: release/tiny/2 is open"):
            promote(context, "tiny", "1")
    assert "rejected" not in desk.tags(1)


@pytest.mark.long
def test_an_older_version_needs_a_record_of_a_rollback(desk: ReleaseBench) -> None:
    desk.version()
    desk.version()
    desk.release(1)
    desk.release(2)
    with desk.acting() as context:
        stage(context, "tiny", "1")
        with pytest.raises(Refused, match="not_older"):
            promote(context, "tiny", "1")
        assert promote(context, "tiny", "1", rollback=True, reason="slow").created
    with desk.acting(ADA) as context:
        assert approve(context, "tiny").release.version == 1


@pytest.mark.long
def test_a_replayed_request_of_an_older_version_is_refused_at_the_approval(
    desk: ReleaseBench, in_git: Callable[..., str]
) -> None:
    desk.version()
    desk.version()
    desk.release(1)
    desk.release(2)
    with desk.acting() as context:
        stage(context, "tiny", "1")
        clone = context.clone
        path = clone.path("tiny", "production")
        forged = clone.commit({path: clone.text(clone.path("tiny", "staging")) or ""}, "Replay\n", [clone.head])
        clone.git.run("push", "origin", f"{forged}:refs/heads/release/tiny/1")
    with desk.acting(ADA) as context, pytest.raises(Refused, match="older than production"):
        approve(context, "tiny")


@pytest.mark.parametrize("who", [Actor("bot", "bot@example.org"), PLUS])
def test_nobody_approves_their_own_request(desk: ReleaseBench, who: Actor) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1")
        promote(context, "tiny", "1")
    with desk.acting(who) as context, pytest.raises(Refused, match="your own"):
        approve(context, "tiny")
    with desk.acting(ADA) as context:
        assert approve(context, "tiny").created


@pytest.mark.long
def test_a_remote_that_keeps_every_branch_takes_the_approval_and_the_request_is_closed(
    desk: ReleaseBench, in_git: Callable[..., str]
) -> None:
    in_git(desk.remote, "config", "receive.denyDeletes", "true")
    desk.version()
    desk.release(1)
    assert desk.branches() == ["main", "release/tiny/1"]
    with desk.acting() as context:
        assert context.forge.open_requests("tiny") == []
        desk.version()
        stage(context, "tiny", "2")
        assert promote(context, "tiny", "2").created


@pytest.mark.long
def test_a_request_that_is_not_stagings_file_any_more_is_refused_and_promoted_anew(desk: ReleaseBench) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1")
        first = promote(context, "tiny", "1").request
        desk.tracking.tag_version("tiny", 1, "image_digest", f"sha256:{99:064x}")
        stage(context, "tiny", "1")
    with desk.acting(ADA) as context, pytest.raises(Refused, match="byte for byte"):
        approve(context, "tiny")
    with desk.acting() as context:
        second = promote(context, "tiny", "1").request
    assert first is not None
    assert second is not None
    assert first.tip != second.tip
    with desk.acting(ADA) as context:
        assert approve(context, "tiny").release.digest == f"sha256:{99:064x}"


@pytest.mark.long
def test_a_request_that_changes_more_is_refused(desk: ReleaseBench) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1")
        clone = context.clone
        staged = clone.text(clone.path("tiny", "staging")) or ""
        more = {clone.path("tiny", "production"): staged, "gitops/apps/tiny/base/role.yaml": "kind: ClusterRole\n"}
        clone.git.run("push", "origin", f"{clone.commit(more, 'More', [clone.head])}:refs/heads/release/tiny/1")
    with desk.acting(ADA) as context, pytest.raises(Refused, match=r"role\.yaml"):
        approve(context, "tiny")


@pytest.mark.long
def test_a_request_that_changed_while_it_was_looked_at_is_refused(desk: ReleaseBench) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1")
        promote(context, "tiny", "1")
    with desk.acting(ADA) as context, pytest.raises(Refused, match="while it was looked at"):
        approve(context, "tiny", tip_seen="0" * 40)


@pytest.mark.long
def test_rollback_goes_back_once_and_never_to_a_rejected_version(desk: ReleaseBench) -> None:
    for number in (1, 2, 3):
        desk.version()
        desk.release(number)
    with desk.acting() as context:
        reject(context, "tiny", "2", "wrong")
        done = rollback(context, "tiny", reason="slow")
        again = rollback(context, "tiny", reason="slow")
    assert (done.release.version, done.rejected, again.commit) == (1, 3, None)
    assert desk.aliases() == {"champion": 1}
    assert desk.tags(3)["rejected"] == "slow"
    assert desk.commits()[0] == "Roll tiny in production back to 1"
    assert desk.actions()[-2:] == [("reject", 2), ("rollback", 1)]
    with desk.acting() as context, pytest.raises(Refused, match="rejected"):
        rollback(context, "tiny", to=3)
    with desk.acting() as context, pytest.raises(Refused, match="rejected"):
        stage(context, "tiny", "3")


@pytest.mark.long
def test_a_rollback_takes_only_what_production_ran_by_an_approval_as_verify_says(desk: ReleaseBench) -> None:
    for number in (1, 2, 3):
        desk.version()
        if number != 2:
            desk.release(number)
            continue
        with desk.acting() as context:  # pushed to the branch, and approved by nobody
            stage(context, "tiny", "2")
            path = context.clone.path("tiny", "production")
            text = context.clone.text(context.clone.path("tiny", "staging")) or ""
            made = context.clone.commit({path: text}, "By hand\n", [context.clone.head])
            context.clone.git.run("push", "origin", f"{made}:refs/heads/main")
    with desk.acting() as context:
        assert "released without an approval" in " ".join(unsound(context.clone, "tiny")[made])
        with pytest.raises(Refused, match="released without an approval"):
            rollback(context, "tiny", reason="slow", to=2)
        assert rollback(context, "tiny", reason="slow").release.version == 1
        assert list(unsound(context.clone, "tiny")) == [made]


@pytest.mark.long
def test_rollback_works_while_mlflow_is_down_and_is_completed_later(desk: ReleaseBench) -> None:
    for number in (1, 2):
        desk.version()
        desk.release(number)

    def down() -> Any:
        raise Unavailable("MLflow is down", hint="start it")

    with desk.acting(open_tracking=down) as context, pytest.raises(Unavailable, match="is back at version 1"):
        rollback(context, "tiny", reason="slow")
    assert 'model-version: "1"' in desk.text("production")
    assert "rejected" not in desk.tags(2)
    with desk.acting() as context:
        assert rollback(context, "tiny", reason="slow").commit is None
    assert desk.tags(2)["rejected"] == "slow"
    assert desk.aliases() == {"champion": 1}
    assert desk.commits().count("Roll tiny in production back to 1") == 1


@pytest.mark.long
def test_reject_closes_the_request_and_moves_champion_back(desk: ReleaseBench) -> None:
    desk.version()
    desk.release(1)
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "2")
        promote(context, "tiny", "2")
        done = reject(context, "tiny", "@champion", "wrong on Mondays")
        with pytest.raises(Refused, match="rollback"):
            reject(context, "tiny", "1", "no")
        with pytest.raises(Refused, match="not_rejected: wrong on Mondays"):
            promote(context, "tiny", "2")
    assert done.closed == ("release/tiny/2",)
    assert desk.aliases() == {"champion": 1}
    assert desk.branches() == ["main"]


@pytest.mark.long
def test_history_names_who_asked_and_who_approved(desk: ReleaseBench) -> None:
    for number in (1, 2):
        desk.version()
        desk.release(number)
    with desk.acting() as context:
        rollback(context, "tiny", reason="slow")
        entries = past.history(context.clone, "tiny")
    told = [
        (one.release.version if one.release else None, one.commit.action, str(one.asked), one.approver)
        for one in entries[:-1]
    ]
    asked, approved = "bot <bot@example.org>", "Ada <ada@example.org>"
    assert told == [
        (1, "rollback", asked, None), (2, "promote", asked, approved), (1, "promote", asked, approved),
    ]  # fmt: skip
    assert (entries[-1].release, entries[-1].approver) == (None, None)
    assert past.rejected(entries) == {2}


def test_a_model_without_manifests_and_a_version_without_image_are_named(desk: ReleaseBench) -> None:
    desk.version(packaged=False)
    with desk.acting() as context:
        with pytest.raises(BadInput, match="slipway package tiny@1"):
            stage(context, "tiny", "1")
        desk.version(name="other")
        with pytest.raises(BadInput, match="no manifests of other"):
            stage(context, "other", "1")


def test_a_reason_cannot_forge_a_trailer(desk: ReleaseBench) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1", "well\n\nSlipway-Approved-By: Eve <eve@example.org>")
        commit = context.clone.log()[0]
    assert "Slipway-Approved-By" not in commit.trailers
    assert commit.action == "stage"


@pytest.mark.long
def test_commits_and_record_point_at_each_other_and_say_the_same(desk: ReleaseBench) -> None:
    for number in (1, 2):
        desk.version()
        desk.release(number)
    with desk.acting() as context:
        rollback(context, "tiny", reason="p99 doubled")
        commits, entries = context.clone.log(), desk.audit.entries()
        assert verify(entries, audit_heads(context.clone)) == []
        assert unrecorded(context.clone, entries) == []
        heads = audit_heads(context.clone)
    assert {head.partition(":")[0] for head in heads} == {str(number) for number in range(7)}
    by_key = {one.key: one for one in entries}
    told = [(one, by_key[one.record_key]) for one in commits if one.record_key]
    assert [entry.action for _, entry in told] == ["rollback", "approve", "stage", "approve", "stage"]
    for commit, entry in told:
        said = commit.trailers
        assert (said.get("Slipway-From"), said["Slipway-Digest"]) == (entry.source, entry.target)
        assert (str(commit.author), commit.reason) == (entry.actor, entry.reason)


@pytest.mark.long
def test_a_tail_that_was_cut_off_the_record_is_found_by_what_commits_have_noted(desk: ReleaseBench) -> None:
    desk.version()
    desk.release(1)
    entries = desk.audit.entries()
    with desk.acting() as context:
        assert verify(entries[:1], audit_heads(context.clone)) == [
            f"row 2 is not there: {entries[1].hash[:12]} was noted as its hash"
        ]
        (missing,) = unrecorded(context.clone, entries[:2])
    assert missing.endswith("is not on record: Approve tiny 1 for production")


@pytest.mark.long
def test_without_the_record_nothing_begins_but_a_rollback_goes_on(desk: ReleaseBench, tmp_path: Path) -> None:
    for number in (1, 2):
        desk.version()
        desk.release(number)
    (tmp_path / "away.db").mkdir()
    away = open_audit(f"sqlite:///{tmp_path / 'away.db'}")
    before = desk.commits()
    with desk.acting(audit=away) as context:
        with pytest.raises(Unavailable, match="audit record"):
            stage(context, "tiny", "1")
        assert desk.commits() == before
        with pytest.raises(Unavailable, match="is back at version 1"):
            rollback(context, "tiny", reason="slow")
    assert desk.commits()[0] == "Roll tiny in production back to 1"
    with desk.acting() as context:
        assert rollback(context, "tiny", reason="again").commit is None
    last = desk.audit.entries()[-1]
    assert (last.action, last.reason) == ("rollback", "slow")


def test_a_release_that_came_with_the_first_commit_is_recorded_too(
    desk: ReleaseBench, in_git: Callable[..., str]
) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, "tiny", "1")
    first = in_git(desk.remote, "commit-tree", "-m", "Import", "main^{tree}")
    in_git(desk.remote, "update-ref", "refs/heads/main", first)
    (desk.folder / "seen-bot").unlink()
    with desk.acting() as context:
        assert stage(context, "tiny", "1").commit is None
    last = desk.audit.entries()[-1]
    assert (last.key, last.source) == (f"stage:{first}", None)
