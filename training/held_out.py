"""Rows that a fit does not see: whole blocks, at random or the last ones in order."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from slipway.errors import BadInput


def blocks(of_row: npt.NDArray[Any], share: float, by: Literal["block", "time"], seed: int) -> npt.NDArray[np.bool_]:
    """Choose about `share` of the blocks; return which rows are theirs.

    Raises:
        BadInput: there are too few blocks to hold some out and fit on others.
    """
    names, index = np.unique(of_row, return_inverse=True)
    count = max(1, math.floor(share * len(names)))
    if len(names) - count < 1:
        raise BadInput(
            "too few blocks to hold some out",
            expected="at least 2 blocks of training rows",
            found=str(len(names)),
            hint="correct `block` in prepare, or add rows",
        )
    order = np.arange(len(names)) if by == "time" else np.random.default_rng(seed).permutation(len(names))
    chosen = np.zeros(len(names), bool)
    chosen[order[len(names) - count :]] = True
    return np.asarray(chosen[index], bool)
