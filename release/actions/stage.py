"""`slipway stage`: one commit that makes a version what staging runs."""

from __future__ import annotations

from dataclasses import dataclass

from registry.export import find
from registry.image_statement import IMAGE
from registry.statement import Opinion
from registry.tracking import Tracking, Version
from release.actions.store_identity import same_stores
from release.bake import trailer
from release.context import Context
from release.environments import STAGING
from release.git.commits import STAGE
from release.git.manifests import Clone
from release.git.overlays import overlaid
from release.git.push import BranchStep, step
from release.release_file import Release, of_version, render
from slipway.errors import Refused, Unavailable


@dataclass(frozen=True)
class Staged:
    """What staging runs now; `commit` is None where it did before, `before` what it ran then.

    `verdict` is what the gate said of it, and who signed that; `image` is who signed which image it is.
    """

    release: Release
    commit: str | None
    before: Release | None
    verdict: str
    image: str


def stage(context: Context, name: str, reference: str, reason: str = "", allow_failed: bool = False) -> Staged:
    """Make version `reference` (a number or @alias) of `name` what staging runs.

    Raises:
        BadInput: no such version, no image of it, or no manifests of the model.
        Refused: the version was rejected, the gate did not pass it (unless `allow_failed`), or the branch does not
            take the commit, or its image is not the one that was packaged.
        Unavailable: MLflow does not say what the gate said, or the audit record does not answer.
    """
    context.say("asking MLflow")
    same_stores(context, name)
    tracking = context.open_tracking()
    version = find(tracking, name, reference)
    opinion = _judged(context, tracking, version, allow_failed)
    release, image = of_version(version), _packaged(context, tracking, version)
    text, path = render(release), context.clone.path(name, STAGING)
    before = overlaid(context.clone, name, STAGING)

    def make(clone: Clone) -> BranchStep | None:
        nonlocal before
        before = overlaid(clone, name, STAGING)
        if clone.text(path) == text:
            return None
        more = trailer(context, before)
        said = context.message(f"Stage {name} {release.version}", STAGE, release, STAGING, reason, more)
        return BranchStep({path: text}, said)

    context.say("pushing the commit")
    commit = step(context.clone, make)
    landed = commit or context.clone.log(path)[0].sha
    context.record_release(STAGE, release, landed, STAGING, reason)
    return Staged(release, commit, before, opinion.reason, image)


def _judged(context: Context, tracking: Tracking, version: Version, allow_failed: bool) -> Opinion:
    name, number = version.name, version.number
    if "rejected" in version.tags:
        raise Refused(
            f"{name} version {number} was rejected",
            expected="a version that was not rejected",
            found=version.tags["rejected"],
            hint="register a new version",
        )
    opinion = context.judged(tracking, version)
    if not opinion.answer.passed and not allow_failed:
        raise (Refused if opinion.answer.known else Unavailable)(
            f"the gate did not pass {name} version {number}",
            expected="the verdict passed, since nothing else can go on to production",
            found=f"{opinion.reason} {version.tags.get('verdict_reasons', '')}".strip(),
            hint=f"slipway stage {name}@{number} --allow-failed, to try it in staging nevertheless",
        )
    return opinion


def _packaged(context: Context, tracking: Tracking, version: Version) -> str:
    stated = context.packaged(tracking, version)
    if stated.image is None:
        raise (Refused if stated.answer.known else Unavailable)(
            f"the image of {version.name} version {version.number} is not known to be the one that was packaged",
            expected=f"{IMAGE.file} with the version's files, signed where keys are configured, and tags that agree",
            found=stated.answer.reason,
            hint=f"slipway package {version.name}@{version.number}",
        )
    return stated.answer.reason
