"""`slipway resume` and `slipway abort`: the operator's word, and its entry in the audit record."""

from __future__ import annotations

from collections.abc import Callable

from registry.release.acts.context import Context
from registry.release.cluster.api import Cluster
from registry.release.cluster.placement import namespaces
from registry.release.cluster.rollouts import Rollout
from slipway.errors import BadInput


def steer(context: Context, open_cluster: Callable[[], Cluster], word: str, name: str, environment: str) -> Rollout:
    """Say `resume` or `abort` to an environment's Rollout; return it as it is then.

    Raises:
        BadInput: no such environment, or nothing there to resume or abort.
        Unavailable: the cluster or the audit record does not answer.
    """
    namespace = namespaces(context.clone, [name]).get((name, environment))
    release = context.clone.release(name, environment) if namespace else None
    if namespace is None or release is None:
        raise BadInput(
            f"{name} has no release in {environment}", expected="one on its way", hint=f"slipway stage {name} VERSION"
        )
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
