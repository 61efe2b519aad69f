"""The commands that move a release: stage, promote, approve, reject, rollback."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.options import AS_JSON, FOLDER
from release.cli.process import COMMAND, acting, environment_argument, show
from release.environments import PRODUCTION, STAGING
from slipway.arguments import version_argument
from slipway.errors import BadInput
from slipway.names import checked

if TYPE_CHECKING:
    from release.context import Context
    from release.forges.forge import PromotionRequest
    from slipway.reference import VersionReference

REASON = click.option("--reason", default="", help="Why; it is kept in the commit and in the audit record.")
WHY = click.option("--reason", required=True, help="Why; it is kept in the commit and in the audit record.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")


@COMMAND()
@version_argument()
@click.option("--allow-failed", is_flag=True, help="Try a version that the gate did not pass.")
@REASON
@FOLDER
@AS_JSON
def stage(reference: VersionReference, allow_failed: bool, reason: str, root: Path, as_json: bool) -> None:
    """Make a version what staging runs, by one commit; NAME alone is NAME@champion.

    The version needs the gate's verdict passed and an image, as `slipway
    package` stated it. Staging the same version again does nothing.

    Example:

        slipway stage flight-delay@challenger
    """
    from release.actions.stage import stage as run

    with acting(root) as context:
        done = run(context, reference.model, reference.version, reason, allow_failed)
    what = f"commit {done.commit[:12]}" if done.commit else "nothing to do: staging has it"
    text = f"{reference.model} version {done.release.version} staged  {done.release.digest}  {what}"
    text += f"\n  verdict: {done.verdict}\n  image: {done.image}"
    show(as_json, {"model": reference.model, "environment": STAGING, **asdict(done)}, text)


@COMMAND()
@version_argument()
@click.option("--rollback", is_flag=True, help="Allow a version that is older than production's.")
@REASON
@FOLDER
@AS_JSON
def promote(reference: VersionReference, rollback: bool, reason: str, root: Path, as_json: bool) -> None:
    """Ask for a version in production; NAME alone is NAME@champion.

    Judges it first; a refusal ends with exit code 4 and is kept on the version
    as the tag promotion_refused. The request copies staging's release file to
    production, byte for byte, and changes nothing before it is approved.

    Example:

        slipway promote flight-delay@7
    """
    from release.actions.promote import promote as run
    from release.rules.policy import shown

    with acting(root) as context:
        done = run(context, reference.model, reference.version, rollback, reason)
    rules = done.verdict.as_json() if done.verdict else None
    said = {"release": asdict(done.release), "request": asdict(done.request) if done.request else None}
    if done.request is None:
        text = f"{reference.model} version {done.release.version}: nothing to do, production has it"
    else:
        state = "opened" if done.created else "is open already"
        request = done.request.url or done.request.branch
        text = f"{reference.model} version {done.release.version}: request {request} {state}"
    if done.verdict is not None:
        text += "".join(f"\n  {rule.name}: {rule.reason}" for rule in shown(done.verdict))
    show(as_json, {"model": reference.model, "created": done.created, **said, "verdict": rules}, text)


@COMMAND()
@click.argument("name")
@click.option("--as", "who", metavar="'NAME <ADDRESS>'", help="Who approves; default SLIPWAY_ACTOR, else Git's user.")
@YES
@REASON
@FOLDER
@AS_JSON
def approve(name: str, who: str | None, yes: bool, reason: str, root: Path, as_json: bool) -> None:
    """Show what the open request of NAME changes in production, and merge it.

    For a Git remote without a forge. The author of a request cannot approve it; on
    GitHub a code owner reviews and merges.

    Example:

        slipway approve flight-delay
    """
    from release.actions.approve import approve as run
    from release.actions.approve import waiting

    with acting(root, who) as context:
        request = waiting(context, checked(name))
        if request is not None and not yes:
            _confirm(context, request)
        done = run(context, name, request.tip if request else None, reason)
    what = f"commit {done.commit[:12]}" + ("" if done.created else ", approved before")
    text = f"{name} version {done.release.version} approved for production  {done.release.digest}  {what}"
    show(as_json, {"model": name, **asdict(done)}, text)


@COMMAND()
@version_argument(default=None)
@WHY
@FOLDER
@AS_JSON
def reject(reference: VersionReference, reason: str, root: Path, as_json: bool) -> None:
    """See that nothing promotes a version any more; it has to be named, by number or alias.

    Tags the version, closes its request, and moves the alias champion back to
    what production runs.

    Example:

        slipway reject flight-delay@7 --reason "wrong on Mondays"
    """
    from release.actions.reject import reject as run

    with acting(root) as context:
        done = run(context, reference.model, reference.version, reason)
    closed = f"; closed {', '.join(done.closed)}" if done.closed else ""
    moved = "; champion moved back" if done.alias_moved else ""
    show(as_json, asdict(done), f"{reference.model} version {done.version} rejected{closed}{moved}")


@COMMAND()
@click.argument("name")
@environment_argument(PRODUCTION)
@click.option("--to", type=click.IntRange(min=1), help="A version that ran there earlier; default the release before.")
@click.option("--allow-missing-image", "missing", is_flag=True, help="Go back although the registry lacks the image.")
@WHY
@FOLDER
@AS_JSON
def rollback(
    name: str, environment: str, to: int | None, missing: bool, reason: str, root: Path, as_json: bool
) -> None:
    """Bring back what ENVIRONMENT ran before NAME's last release, now and without a request.

    The image that comes back must be in its registry. Rejects the version that
    it takes out of production and moves the alias champion back. Run again, it
    completes what was cut off and does nothing else; --to goes further back.

    Example:

        slipway rollback flight-delay --reason "p99 doubled"
    """
    from release.actions.rollback import rollback as run

    with acting(root) as context:
        done = run(context, checked(name), environment, reason, to, allow_missing=missing)
    if done.warning:
        click.echo(f"warning: {done.warning}", err=True)
    what = f"commit {done.commit[:12]}" if done.commit else "it was already; --to VERSION goes further back"
    gone = f"; version {done.rejected} is rejected" if done.rejected else ""
    gone += f"; MLflow has no version {done.untagged} to reject, Git alone keeps it away" if done.untagged else ""
    text = f"{name} in {environment} is back at version {done.release.version}{gone}  {what}"
    show(as_json, {"model": name, "environment": environment, **asdict(done)}, text)


def _confirm(context: Context, request: PromotionRequest) -> None:
    from release.git.diff import difference

    name = request.model
    text = context.clone.text(context.clone.path(name, PRODUCTION), request.tip)  # fetched when it was found
    made = difference(context.clone, name, text or "")
    click.echo(made.release + made.rendered, err=True)
    question = f"Approve version {request.version}, asked for by {request.author}?"
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort as error:
        raise BadInput(
            "not approved", expected="yes", hint=f"slipway approve {name}, with --yes in a script"
        ) from error
