"""`slipway resume` and `slipway abort`: the operator's word, and its entry in the audit record."""

from __future__ import annotations

from collections.abc import Callable

from release.actions.store_identity import same_stores
from release.cluster.api import Cluster
from release.cluster.placement import placement
from release.cluster.rollouts import Rollout
from release.context import Context


def steer(context: Context, open_cluster: Callable[[], Cluster], word: str, name: str, environment: str) -> Rollout:
    """Say `resume` or `abort` to an environment's Rollout; return it as it is then.

    Raises:
        BadInput: no such environment, or nothing there to resume or abort.
        Unavailable: the cluster or the audit record does not answer.
    """
    same_stores(context, name)
    namespace, release = placement(context.clone, name, environment, "one on its way")
    cluster = open_cluster()
    before = cluster.rollout(namespace, name)
    done = cluster.resume(namespace, name) if word == "resume" else cluster.abort(namespace, name)
    revision = context.clone.log(context.clone.path(name, environment))[0].sha
    context.record(
        word,
        f"{environment}:{revision}",
        model=name,
        version=release.version,
        source=before.active if before else None,
        target=before.digest if before else None,
        reason=f"in {environment}",
    )
    return done
