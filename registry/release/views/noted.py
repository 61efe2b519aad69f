"""What Git knows of the audit record: the heads that its commits noted, and the entries that they promised."""

from __future__ import annotations

from registry.release.record.audit import Entry
from registry.release.repository.commits import LOG_FORMAT, read_log
from registry.release.repository.manifests import Clone


def noted(clone: Clone) -> list[str]:
    """Return each `SEQUENCE:HASH` that a commit of the branch, or of a request merged into it, noted."""
    said = clone.git.run("log", "-z", f"--format={LOG_FORMAT}", clone.head).out.decode(errors="replace")
    return sorted({one.audit_head for one in read_log(said) if one.audit_head})


def unrecorded(clone: Clone, entries: list[Entry]) -> list[str]:
    """Say, in words, which commits of the branch promised an entry that is not there; nothing where all are."""
    known = {one.key for one in entries}
    promised = [one for one in reversed(clone.log()) if one.record_key]
    return [f"commit {one.sha[:12]} is not on record: {one.subject}" for one in promised if one.record_key not in known]
