"""What a request says to whoever approves it: verdict, lineage, difference."""

from __future__ import annotations

import re

from registry.verdict import Verdict
from release.environments import PRODUCTION
from release.git.diff import difference
from release.git.manifests import Clone
from release.release_file import Release
from slipway.errors import SlipwayError

LONGEST_BODY = 60_000  # GitHub refuses more than 65,536 characters


def request_body(clone: Clone, release: Release, verdict: Verdict, sha: str, reason: str) -> str:
    """Return the request's text in Markdown."""
    passed = {True: "yes", False: "no", None: "not checked"}
    rules = [f"| {rule.name} | {passed[rule.passed]} | {_cell(rule.reason)} |" for rule in verdict.rules]
    lineage = {
        "version": str(release.version),
        "image": f"{release.image}@{release.digest}",
        "run": release.run_id,
        "commit": release.git_commit,
        "data": f"md5 {release.data_md5}",
        "model": f"sha256 {release.model_sha256}",
    }
    parts = [
        f"Release {release.model} {release.version} to production: a copy of staging's release file, byte for byte.",
        *([_cell(reason)] if reason.strip() else []),
        "\n".join(["| rule | passed | why |", "|---|---|---|", *rules]),
        "\n".join(["| lineage | |", "|---|---|", *(f"| {key} | `{value}` |" for key, value in lineage.items())]),
        _rendered(clone, release, sha),
    ]
    return "\n\n".join(parts)[:LONGEST_BODY]


def _rendered(clone: Clone, release: Release, sha: str) -> str:
    text = clone.text(clone.path(release.model, PRODUCTION), sha) or ""
    try:
        made = difference(clone, release.model, text)
    except SlipwayError as error:  # the difference is for people; what is approved is the file
        return f"The rendered difference could not be made: {_cell(error.thing)}"
    fenced = (made.release + "\n" + made.rendered).replace("```", "` ` `")[: LONGEST_BODY // 2]
    return f"```diff\n{fenced}\n```"


def _cell(text: str) -> str:
    return re.sub(r"[|<>`\r\n@]", " ", text)
