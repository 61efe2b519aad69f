"""What someone did to a Rollout without Slipway, by `kubectl argo rollouts` or in Argo CD's page, put on record.

The cluster keeps no names: it tells when it aborted, whether that still holds, and what is active. A retry and a
promotion leave nothing but their effect, so they are known by it, at the next pass.
"""

from __future__ import annotations

from release.cluster.rollouts import DEGRADED, Rollout
from release.context import Context
from release.git.commits import REVERT, ROLLBACK
from release.git.history import history
from release.promoter.outcome import PassOutcome
from release.release_file import Release

NOBODY = "somebody on the cluster, which keeps no names"
ABORT, RESUME, RETRY = "abort", "resume", "retry"
BECAUSE = {
    ABORT: "not by `slipway abort`: by kubectl argo rollouts abort, or in Argo CD's page",
    RESUME: "the switch went on, not by `slipway resume`: by kubectl argo rollouts promote or promote --full, or in "
    "Argo CD's page",
    RETRY: "it goes on after its abort: by kubectl argo rollouts retry, in Argo CD's page, or with changed manifests",
}


def operator_actions(context: Context, environment: str, release: Release, rollout: Rollout) -> list[PassOutcome]:
    """Record an abort, a retry and a promotion of `release` that the record does not know.

    Raises:
        Unavailable: the audit record does not answer.
    """
    if rollout.digest != release.digest:
        return []
    model = release.model
    revision = context.clone.log(context.clone.path(model, environment))[0].sha
    last = _last(context, model, environment, revision)
    word = _unknown(context, environment, release, rollout, last)
    if word is None:
        return []
    times = sum(one == word for one in last)
    context.record(
        word,
        f"{environment}:{revision}" + (f":{times + 1}" if times else ""),
        model=model,
        version=release.version,
        source=None if rollout.active == rollout.digest else rollout.active,
        target=rollout.digest,
        reason=f"in {environment}; {BECAUSE[word]}",
        actor=NOBODY,
        happened=rollout.aborted_at if word == ABORT else None,
    )
    return [PassOutcome("recorded", release.version, f"{word} in {environment} by {NOBODY}")]


def _last(context: Context, model: str, environment: str, revision: str) -> list[str]:
    """Return what the record says was done to the Rollout of this revision, oldest first."""
    entries = [one for one in context.audit.entries(model) if one.action in BECAUSE]
    return [one.action for one in entries if one.key.split(":")[1:3] == [environment, revision]]


def _unknown(context: Context, environment: str, release: Release, rollout: Rollout, known: list[str]) -> str | None:
    last = known[-1] if known else None
    if rollout.aborted:
        by_person = rollout.phase == DEGRADED and rollout.failed is None
        return ABORT if by_person and last != ABORT else None
    if last == ABORT:
        return RETRY
    if rollout.waits and rollout.active == release.digest and last != RESUME:
        return RESUME if _waited(context, environment, release) else None
    return None


def _waited(context: Context, environment: str, release: Release) -> bool:
    """Say whether the switch to `release` had to wait: the first one has nothing to wait for, and no way back waits."""
    newest, *before = history(context.clone, release.model, environment, 2)
    ran = before[0].release if before else None
    return newest.commit.action not in (ROLLBACK, REVERT) and ran is not None and ran.version < release.version
