"""Write every reference page: `make docs-reference`; with --check, only list those that differ from the code."""

from __future__ import annotations

import sys

from tools.reference.pages import stale, write_all


def main() -> int:
    """Write, or compare."""
    if "--check" not in sys.argv:
        print("\n".join(write_all()))
        return 0
    found = stale()
    for name in found:
        print(f"{name} is not what the code gives; next: make docs-reference", file=sys.stderr)
    return 4 if found else 0


if __name__ == "__main__":
    sys.exit(main())
