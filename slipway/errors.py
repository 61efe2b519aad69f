"""The one tree of errors, and the exit code of each branch.

    SlipwayError              1
    ├── BadInput              3   data, parameters or an artifact are not what they must be
    ├── Refused               4   a gate, a verdict or a rule refuses
    └── Unavailable           5   a service or a disk failed

A message names the thing, what was expected, what was found and the next
command to type: no error can be made without that. Errors are caught in the
command line and nowhere else.
"""

from __future__ import annotations


class SlipwayError(Exception):
    """Carry what a person needs to continue: the thing, what was expected and found, and the next step."""

    exit_code = 1

    def __init__(
        self,
        thing: str,
        *,
        hint: str,
        expected: str | None = None,
        found: str | None = None,
    ) -> None:
        self.thing = thing
        self.expected = expected
        self.found = found
        self.hint = hint
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [self.thing]
        lines += [f"  expected: {self.expected}"] if self.expected else []
        lines += [f"  found:    {self.found}"] if self.found else []
        lines += [f"  next:     {self.hint}"]
        return "\n".join(lines)

    def as_json(self) -> dict[str, str | int | None]:
        """Return the same facts for a script."""
        return {
            "error": type(self).__name__,
            "thing": self.thing,
            "expected": self.expected,
            "found": self.found,
            "next": self.hint,
            "exit_code": self.exit_code,
        }


class BadInput(SlipwayError):
    """Data, parameters or an artifact are not what they must be."""

    exit_code = 3


class Refused(SlipwayError):
    """A gate, a verdict or a rule refuses."""

    exit_code = 4


class Unavailable(SlipwayError):
    """A service or a disk failed."""

    exit_code = 5
