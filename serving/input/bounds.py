"""Limits of a number as the model meets them: in float32, in every reader.

The graph gets float32, so a limit of 0.8 is the float32 nearest to it, and a
number fits when the float32 that the model gets fits. `of` gives that as two
numbers of double precision, so that readers compare an input as it was sent.
"""

from __future__ import annotations

import math

import numpy as np

from serving.input.schema import Feature

# The largest double that rounds to a finite float32.
LARGEST = math.nextafter(float(np.finfo(np.float32).max) + 2.0**103, 0.0)


def of(feature: Feature) -> tuple[float, float]:
    """Return the least and the largest double whose float32 is finite and within the feature's limits."""
    low = -LARGEST if feature.minimum is None else -_largest(-feature.minimum)
    high = LARGEST if feature.maximum is None else _largest(feature.maximum)
    return low, high


def single(limit: float | None, default: float) -> np.float32:
    """Return a limit as the float32 that the model would get, or `default` where there is none."""
    largest = float(np.finfo(np.float32).max)
    return np.float32(min(max(default if limit is None else limit, -largest), largest))


def _largest(maximum: float) -> float:
    """Return the largest double that rounds to a float32 of at most `maximum` as float32."""
    limit = single(maximum, maximum)
    with np.errstate(over="ignore"):
        above = float(np.nextafter(limit, np.float32(np.inf)))
    if math.isinf(above):
        return LARGEST
    middle = (float(limit) + above) / 2  # exact: one bit more than float32 has
    return middle if np.float32(middle) <= limit else math.nextafter(middle, -math.inf)
