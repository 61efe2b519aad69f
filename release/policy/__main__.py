"""`python -m release.policy [GITOPS]`: refuse manifests that say what they must not, for `make check-manifests`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from release.policy.check import check, overlays
from slipway.errors import Refused, SlipwayError

BUILT = Path("var/bin/kustomize")  # by make manifest-tools


def main(words: list[str] | None = None) -> int:
    """Check every environment; return the exit code: 0 nothing found, 3 unreadable, 4 refused, 5 no kustomize."""
    parser = argparse.ArgumentParser(prog="python -m release.policy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("gitops", type=Path, nargs="?", default=Path("gitops"))
    parser.add_argument(
        "--kustomize", default="kustomize" if shutil.which("kustomize") or not BUILT.is_file() else str(BUILT)
    )
    parser.add_argument("--output", type=Path, help="folder to write what the environments make")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args(words)
    try:
        environments = overlays(given.gitops)
        findings = [one for overlay in environments for one in check(overlay, given.kustomize, given.output)]
    except SlipwayError as error:
        print(json.dumps(error.as_json()) if given.as_json else f"error: {error}", file=sys.stderr)
        return error.exit_code
    if given.as_json:
        print(json.dumps([asdict(one) for one in findings], indent=2))
    else:
        print("\n".join(str(one) for one in findings) or f"{len(environments)} environments, nothing to refuse")
    return Refused.exit_code if findings else 0


if __name__ == "__main__":
    sys.exit(main())
