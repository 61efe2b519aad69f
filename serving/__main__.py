"""`python -m serving`: the image's entry point, and what `slipway serve` becomes."""

from __future__ import annotations

import os
import sys

from serving import settings
from serving.inference import probe
from slipway.errors import SlipwayError


def main() -> int:
    """Read the environment, serve, and return the exit code."""
    try:
        chosen = settings.read(os.environ)
        trial = probe.begin(chosen.model)
        # Imported while the model is tried: each takes half of the time before the first answer.
        from serving.server import serve

        serve(chosen, trial)
    except SlipwayError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
