"""The one syntax of a model version: NAME, NAME@ALIAS or NAME@NUMBER.

NAME alone is the version with the alias `champion`. The former spellings are read too: NAME and VERSION as two
words, VERSION a number or an alias with or without @. Why: docs/adr/0108-one-syntax-for-a-version.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from slipway import artifact
from slipway.errors import BadInput
from slipway.names import NAME

CHAMPION = "champion"
SYNTAX = "NAME[@ALIAS|@NUMBER]"
FORMS = "NAME, NAME@ALIAS or NAME@NUMBER"
EXAMPLE = "flight-delay, flight-delay@challenger or flight-delay@7"
PATTERN = re.compile(rf"(?P<model>{NAME})(?:@(?:(?P<number>[1-9][0-9]{{0,8}})|(?P<alias>(?![0-9]+$)[\w-]{{1,255}})))?")


@dataclass(frozen=True)
class VersionReference:
    """A version of a model: by its number, or else by an alias."""

    model: str
    number: int | None = None
    alias: str | None = None

    @property
    def version(self) -> str:
        """The number, or the alias with @: what follows the model's name in MLflow's terms."""
        return f"@{self.alias}" if self.number is None else str(self.number)

    def __str__(self) -> str:
        return f"{self.model}@{self.version.removeprefix('@')}"


def parse(text: str, *, default: str | None = CHAMPION) -> VersionReference:
    """Read a reference; `default` is the alias that a NAME alone means, None where the version has to be named.

    Raises:
        BadInput: it has none of the three forms, or names no version where `default` is None.
    """
    match = PATTERN.fullmatch(text)
    if match is None:
        raise _invalid(text, f"{FORMS}, as in {EXAMPLE}")
    number, alias = match["number"], match["alias"]
    if number is None and alias is None and default is None:
        raise _invalid(text, f"one version: NAME@ALIAS or NAME@NUMBER, as in {match['model']}@7")
    return VersionReference(match["model"], int(number) if number else None, None if number else alias or default)


def of_words(name: str, version: str | None = None, *, default: str | None = CHAMPION) -> VersionReference:
    """Read a reference from one word, or from the former two, NAME and VERSION.

    Raises:
        BadInput: it has none of the three forms, or names no version where `default` is None.
    """
    text = name if version is None else f"{name}@{version.removeprefix('@')}"
    return parse(text, default=default)


def of_target(target: str, version: str | None = None) -> VersionReference | Path:
    """Read what may be a reference or the folder of an exported version; a folder that exists is the folder.

    Raises:
        BadInput: it is neither.
    """
    folder = Path(target)
    if version is not None or not target or not (folder.exists() or "/" in target):
        return of_words(target, version)
    if (folder / artifact.MANIFEST).is_file():
        return folder
    raise BadInput(
        f"{folder} does not hold an exported version",
        expected=f"a folder with manifest.json, or {FORMS}, as in {EXAMPLE}",
        found="no manifest.json" if folder.is_dir() else "no such folder",
        hint=f"slipway export {SYNTAX} {folder}",
    )


def _invalid(text: str, expected: str) -> BadInput:
    return BadInput(
        f"`{text}` is not a valid reference to a version",
        expected=expected,
        found=text,
        hint="slipway versions, which lists the numbers and aliases of every model",
    )
