"""Sums that do not depend, to the last bit, on what lies beside or behind what is added."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def total(terms: Float) -> Float:
    """Sum over the last axis, from left to right: zeros behind, such as padding, change nothing.

    (`np.sum` adds in pairs, in an order that depends on the length; a matrix product, on the number of rows.)
    """
    found: Float = np.add.accumulate(terms, axis=-1)[..., -1]
    return found


class Ragged:
    """Values of many regions end to end, `count` of each; what is per region is computed from its own values only."""

    def __init__(self, count: NDArray[np.int64]) -> None:
        self.count = count
        self.start = np.cumsum(count) - count

    def total(self, terms: Float) -> Float:
        """Sum for each region; 0 for a region without values."""
        found = np.zeros(len(self.count))
        some = np.flatnonzero(self.count)  # a region without values would take its neighbour's
        if some.size:
            found[some] = np.add.reduceat(terms, self.start[some])
        return found

    def mean(self, terms: Float) -> Float:
        """Mean for each region, which needs values."""
        found: Float = self.total(terms) / self.count
        return found

    def spread(self, per_region: Float) -> Float:
        """Give each value its region's number."""
        found: Float = np.repeat(per_region, self.count)
        return found

    def sort(self, values: Float) -> Float:
        """Sort each region's values."""
        found = values.copy()
        for begin, n in zip(self.start.tolist(), self.count.tolist(), strict=True):
            found[begin : begin + n].sort()
        return found
