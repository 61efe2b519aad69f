"""`slipway smoke`: what an environment runs, judged by its own analysis because someone asks."""

from __future__ import annotations

from collections.abc import Callable

from release.actions.store_identity import same_stores
from release.cluster.analysis import analyse
from release.cluster.api import Cluster
from release.cluster.placement import placement
from release.cluster.rollouts import Analysis
from release.context import Context
from slipway.errors import BadInput, Refused

SECONDS = 300.0


def smoke(context: Context, open_cluster: Callable[[], Cluster], name: str, environment: str) -> Analysis:
    """Judge what is active in an environment; the outcome is recorded.

    Raises:
        BadInput: no such environment, or it does not run what Git holds.
        Refused: the analysis failed.
        Unavailable: the cluster does not answer, or the analysis does not end.
    """
    same_stores(context, name)
    namespace, release = placement(context.clone, name, environment, "one to judge")
    cluster = open_cluster()
    rollout = cluster.rollout(namespace, name)
    if rollout is None or rollout.active != release.digest:
        raise BadInput(
            f"{environment} does not run version {release.version}",
            expected=release.digest,
            found=(rollout.active if rollout else None) or "nothing",
            hint=f"slipway status {name} --watch",
        )
    context.say("asking the release about itself")
    found = analyse(cluster, namespace, name, SECONDS)
    context.record(
        "smoke",
        f"{namespace}/{found.name}",
        model=name,
        version=release.version,
        target=release.digest,
        reason=f"in {environment}: {found.phase}",
    )
    if found.phase != "Successful":
        raise Refused(
            f"{name} version {release.version} did not pass its analysis in {environment}",
            expected="Successful",
            found=f"{found.phase} {found.message}".strip(),
            hint=f"kubectl -n {namespace} logs -l app.kubernetes.io/component=smoke",
        )
    return found
