"""`python -m tests.soak MINUTES [SEED]`: a soak, told as it goes; see `make soak`."""

from __future__ import annotations

import random
import sys
import time

from tests.soak.run import Found, soak

MOST_BYTES, MOST_DESCRIPTORS = 16 << 20, 10.0


def main(minutes: str, seed: str = "") -> int:
    """Run a soak and say what it found; 1 when a promise was broken."""
    began = time.monotonic()
    found = soak(
        float(minutes) * 60,
        int(seed) if seed else random.SystemRandom().randrange(1 << 31),
        lambda text: print(f"{time.monotonic() - began:7.1f} {text}", flush=True),
    )
    wrong = found.wrong(MOST_BYTES, MOST_DESCRIPTORS)
    print(report(found), *(f"wrong: {text}" for text in wrong), sep="\n")
    return 1 if wrong else 0


def report(found: Found) -> str:
    """Say in lines what was measured."""
    last, memory, descriptors = found.last, found.last.memory, found.last.descriptors
    return "\n".join(
        [
            f"seed {found.seed}, {found.rate:.0f} requests a second, answers {dict(found.statuses)}",
            f"without an answer {dict(found.unknown)}, faults {dict(found.faults)}",
            f"{found.accepted} rows answered 200: {found.lost} lost, {found.twice} twice, {found.made_up} of none",
            f"memory {memory[0] >> 20} to {memory[-1] >> 20} MiB, most {max(memory) >> 20}, "
            f"trend {found.memory_growth / (1 << 20):+.1f} MiB over {last.seconds[-1] - last.seconds[0]:.0f} s",
            f"descriptors {descriptors[0]} to {descriptors[-1]}, most {max(descriptors)}, "
            f"trend {found.descriptor_growth:+.1f}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
