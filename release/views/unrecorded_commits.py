"""The commits of the branch that promised an entry of the audit record which is not there."""

from __future__ import annotations

from release.audit.audit import AuditEntry
from release.git.commits import OWN
from release.git.manifests import Clone


def unrecorded(clone: Clone, entries: list[AuditEntry]) -> list[str]:
    """Say, in words, which commits of the branch promised an entry that is not there; nothing where all are."""
    known = {one.key for one in entries}
    promised = [one for one in reversed(clone.log()) if one.record_key]
    missing = [one for one in promised if not {one.record_key, f"{OWN}:{one.sha}"} & known]
    return [f"commit {one.sha[:12]} is not on record: {one.subject}" for one in missing]
