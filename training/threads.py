"""How many threads compute a model: the parameter decides, never the machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def limited(threads: int) -> Iterator[None]:
    """Compute with `threads` threads, whatever cores the machine has.

    scikit-learn takes the fewer of this limit and the physical cores, which it counts by running
    `lscpu`, unless OMP_NUM_THREADS is set: a machine with fewer cores would give other bytes, and
    one without `lscpu` a warning with a traceback. The variable stays set, since every thread of
    the process shares the environment.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)
    with threadpool_limits(threads):
        yield
