"""Which release a rollback brings back: one that ran there, that was not rejected, and that was approved."""

from __future__ import annotations

from dataclasses import dataclass

from release import model_registry
from release.context import Context
from release.git.history import EnvironmentStep, rejected
from release.release_file import Release
from slipway.errors import BadInput, Refused, Unavailable


@dataclass(frozen=True)
class RanBefore:
    """What ran before, newest first: releases with their commits, without those of the version that runs now.

    `rejected` has the reason by version, `unsound` what `history --verify` has against a release, by commit.
    """

    model: str
    releases: tuple[tuple[str, Release], ...]
    rejected: dict[int, str]
    unsound: dict[str, list[str]]

    @property
    def sound(self) -> list[Release]:
        """The releases that nothing speaks against but a rejection."""
        return [release for commit, release in self.releases if commit not in self.unsound]


def rollback_target(
    context: Context, model: str, entries: list[EnvironmentStep], to: int | None, unsound: dict[str, list[str]]
) -> Release:
    """Return the release before the one that runs now, or version `to`.

    Raises:
        BadInput: nothing that ran there could come back, or version `to` never ran there.
        Refused: version `to` was rejected, or the only way back is a release that was not approved.
    """
    past = _past(context, model, entries, unsound)
    if to is None:
        wanted = [release for release in past.sound if release.version not in past.rejected]
    else:
        wanted = [release for release in past.sound if release.version == to]
    if wanted and to in past.rejected:
        raise Refused(
            f"{model} version {to} was rejected",
            found=past.rejected[to],
            hint=f"choose another version with --to: slipway history {model}",
        )
    if wanted:
        return wanted[0]
    raise _unapproved(past, to) or _never_ran(past, to)


def _past(context: Context, model: str, entries: list[EnvironmentStep], unsound: dict[str, list[str]]) -> RanBefore:
    reasons = dict.fromkeys(rejected(entries), "production was rolled back from it")
    try:
        reasons |= model_registry.rejected(context.open_tracking(), model)
    except Unavailable as error:
        context.say(f"{error.thing}: going by Git alone")
    now = entries[0].release
    before = [(entry.commit.sha, entry.release) for entry in entries[1:] if entry.release]
    releases = [(sha, release) for sha, release in before if now is None or release.version != now.version]
    return RanBefore(model, tuple(releases), reasons, unsound)


def _unapproved(past: RanBefore, to: int | None) -> Refused | None:
    wanted = [sha for sha, release in past.releases if to in (None, release.version)]
    why = next((past.unsound[sha] for sha in wanted if sha in past.unsound), None)
    if why is None:
        return None
    return Refused(
        f"no release that production ran of {past.model} before may come back",
        expected="one that was approved, as slipway history --verify judges it",
        found="; ".join(why),
        hint=f"slipway history {past.model} --verify, then promote a version whose request another person approves",
    )


def _never_ran(past: RanBefore, to: int | None) -> BadInput:
    known = sorted({str(release.version) for release in past.sound if release.version not in past.rejected})
    wanted = f"version {to}" if to else "an earlier release"
    return BadInput(
        f"{past.model} never ran {wanted} that could come back",
        expected=f"one of {', '.join(known) or 'none'}",
        hint=f"slipway history {past.model}",
    )
