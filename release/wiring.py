"""Puts together what the acts work with: the one place that knows every adapter of the release path.

Called by entry points, with the environment they read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from registry import image_statement, remote, stored
from registry.statement import read
from registry.tracking import Tracking
from release.audit.audit import open_audit
from release.cluster.api import Cluster, open_cluster
from release.cluster.health import Health
from release.cluster.placement import asked_of
from release.context import Context
from release.forges import github
from release.forges.forge import Forge
from release.forges.plain import Plain
from release.git import embedded
from release.git.manifests import Clone, cloned
from release.images import logins
from release.images.images import Images
from release.settings import ReleaseSettings

AskHealth = Callable[[str, str, str], Health]


@contextlib.contextmanager
def opened(settings: ReleaseSettings, say: Callable[[str], None] = lambda _: None) -> Iterator[Clone]:
    """Give a clone of the manifests; the embedded repository is made on first use."""
    if settings.embedded:
        source = settings.top / settings.folder
        embedded.make(Path(settings.remote), source, settings.folder, settings.branch, settings.actor)
    say("reading the manifests")
    with cloned(settings.manifests()) as clone:
        yield clone


@contextlib.contextmanager
def acting(
    settings: ReleaseSettings,
    environment: Mapping[str, str],
    open_tracking: Callable[[], Tracking],
    health: AskHealth | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Context]:
    """Give the context of an act for as long as the block lasts."""
    with opened(settings, say) as clone:
        images = Images(logins.logins(logins.files(environment)))
        yield Context(
            clone=clone,
            forge=forge(settings, environment, clone),
            open_tracking=open_tracking,
            audit=open_audit(settings.audit_url),
            health=health or asked_of(clone, lambda: cluster(environment)),
            in_registry=images.has,
            in_store=stored.whole,
            bake_seconds=settings.bake_seconds,
            say=say,
            judged=lambda tracking, version: read(tracking, version, settings.trust),
            packaged=lambda tracking, version: image_statement.released(tracking, version, settings.trust),
            in_remote=lambda version, opinion: remote.held(
                settings.project, opinion.data, version.tags, version.tags.get("git_commit")
            ),
            lost_head=settings.audit_lost,
            lost_runs=settings.runs_lost,
        )


def cluster(environment: Mapping[str, str]) -> Cluster:
    """Open the cluster that KUBECONFIG and SLIPWAY_KUBE_CONTEXT name, or the one around this process."""
    return open_cluster(environment.get("KUBECONFIG") or None, environment.get("SLIPWAY_KUBE_CONTEXT") or None)


def forge(settings: ReleaseSettings, environment: Mapping[str, str], clone: Clone) -> Forge:
    """Return the forge that the settings name."""
    if settings.forge == "git":
        return Plain(clone)
    return of_github(settings.branch, environment)


def of_github(branch: str, environment: Mapping[str, str]) -> github.GitHub:
    """Return the GitHub that the environment names; requests go to `branch`."""
    return github.connect(
        environment.get("GITHUB_REPOSITORY", ""),
        branch,
        environment.get("GITHUB_TOKEN", ""),
        environment.get("GITHUB_API_URL") or "https://api.github.com",
    )
