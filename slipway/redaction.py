"""What is blanked out of a text before it is shown, logged or stored: credentials, by every form that we know.

The one list of patterns. What is blanked reads ***.
"""

from __future__ import annotations

import re

BLANK = "***"
# A user and a password in an address; a raw @ in the password ends at the last one before the path.
LOGIN_IN_ADDRESS = re.compile(r"(\w://)[^/?#\s]+@")
PASSWORD_IN_ADDRESS = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
WORDS = r"password|passwd|passphrase|secret|token|api[_-]?key|x-amz-(?:signature|credential)"
NAMED = rf"[\w.-]{{0,64}}?(?:{WORDS})[\w.-]{{0,64}}"  # bounded: the time grows with the text's length alone
VALUE = r"""(?:\*{3}|"[^"\r\n]*"|'[^'\r\n]*'|\S+)"""
# A signature has commas and spaces, to the end of its line; of other schemes a word and what follows it.
AUTHORIZATION = r"(?:(?:digest|aws4|signature|hawk|oauth|hmac)[\w-]*[ \t]+[^\r\n]+|(?:[a-z][\w-]*[ \t]+)?\S+)"
PATTERNS = (
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", BLANK),
    (rf"(?i)\b((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?){AUTHORIZATION}", rf"\1{BLANK}"),
    (r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}", rf"\1 {BLANK}"),
    (rf"(?i)(?<![A-Za-z0-9])({NAMED}[\"']?\s*[=:]\s*){VALUE}", rf"\1{BLANK}"),
    (r"\beyJ[\w-]+\.[\w-]+\.[\w-]*", BLANK),
    (r"\b(gh[pousr]_|github_pat_|glpat-|xox[abpr]-)\w[\w-]*", BLANK),
    (r"\b(AKIA|ASIA)[A-Z0-9]{16}\b", BLANK),
)
COMPILED = tuple((re.compile(pattern, re.DOTALL), blank) for pattern, blank in PATTERNS)


def without_credentials(text: str) -> str:
    """Blank the user and the password of every address in a text."""
    return LOGIN_IN_ADDRESS.sub(rf"\1{BLANK}@", text)


def redacted(text: str) -> str:
    """Blank everything that looks like a credential."""
    text = without_credentials(text)
    for pattern, blank in COMPILED:
        text = pattern.sub(blank, text)
    return text
