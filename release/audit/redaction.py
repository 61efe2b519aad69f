"""What is blanked out of a text before it is stored: credentials, and what no database takes."""

from __future__ import annotations

import re

from registry.tracking import without_credentials

SECRETS = (
    (r"\b(gh[pousr]_|github_pat_|glpat-|xox[abpr]-)\w+", "***"),
    (r"\b(AKIA|ASIA)[A-Z0-9]{16}\b", "***"),
    (r"\beyJ[\w-]+\.[\w-]+\.[\w-]*", "***"),
    (r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}", r"\1 ***"),
    (r"(?i)\b(\w*(?:password|passwd|secret|token|api[_-]?key)\w*)(\s*[=:]\s*)\S+", r"\1\2***"),
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", "***"),
)


def redacted(text: str) -> str:
    """Blank out what looks like a credential, and what no database takes as text."""
    text = without_credentials(text.encode(errors="replace").decode().replace("\0", ""))
    for pattern, blank in SECRETS:
        text = re.sub(pattern, blank, text, flags=re.DOTALL)
    return text
