"""The check slipway/promotion of changes that people propose: it passes where production's release stays what it is.

It is required on main, so that no request merges unjudged. Every other change needs it too, and gets it here: within
a pass, or at once by `slipway proposal` in a workflow.
"""

from __future__ import annotations

import re

from release.environments import PRODUCTION
from release.forges.forge import Forge, Proposal
from release.git.manifests import RELEASE_FILE
from release.promoter.outcome import PassOutcome
from slipway.answer import Answer

ANNOTATION = "slipway/image-digest"  # in every release file that names a version


def report(forge: Forge, folder: str, number: int | None = None) -> list[PassOutcome]:
    """Put the verdict on every proposal, or on the one of this number; `folder` is that of the manifests.

    Raises:
        Unavailable: the forge does not answer.
        Refused: the token may not do so.
    """
    found = []
    for proposal in forge.proposals(number):
        answer = verdict(proposal, folder)
        forge.report(proposal.tip, answer.passed is True, answer.reason)
        kind = "passed" if answer.passed else "refused"
        found.append(PassOutcome(kind, None, f"pull request {proposal.number} {answer.reason}"))
    return found


def verdict(proposal: Proposal, folder: str) -> Answer:
    """Say whether a proposal leaves production's releases alone, and in a sentence why not.

    A model may be added with nothing released, and be taken away complete: neither brings a version to production.
    """
    if proposal.files is None:
        return Answer(False, "changes more files than are listed, so a release may be among them")
    start = f"{folder}/" if folder not in ("", ".") else ""
    release = re.compile(rf"{re.escape(start)}apps/([^/]+)/{PRODUCTION}/{re.escape(RELEASE_FILE)}")
    for path, status, lines in proposal.files:
        named = release.fullmatch(path)
        empty = status == "added" and lines is not None and ANNOTATION not in lines
        if named and status != "removed" and not empty:
            return Answer(
                False, f"changes {named[1]}'s release in production: that is for slipway promote and rollback"
            )
    return Answer(True, "changes no release in production")
