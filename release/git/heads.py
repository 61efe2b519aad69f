"""The heads of the audit record that commits have noted: what Git knows of a record that it does not hold."""

from __future__ import annotations

from release.git.commits import LOG_FORMAT, read_log
from release.git.manifests import Clone


def audit_heads(clone: Clone) -> list[str]:
    """Return each `SEQUENCE:HASH` that a commit of the branch, or of a request merged into it, noted."""
    said = clone.git.run("log", "-z", f"--format={LOG_FORMAT}", clone.head).out.decode(errors="replace")
    return sorted({one.audit_head for one in read_log(said) if one.audit_head})


def newest(clone: Clone) -> str | None:
    """Return the head that stands furthest on in the record; None where no commit has noted any."""
    return max(audit_heads(clone), key=lambda head: int(head.partition(":")[0]), default=None)
