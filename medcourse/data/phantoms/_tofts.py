"""The arterial curve of Parker et al. 2006, and its convolution with an exponential."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Array = NDArray[np.float64]

HAEMATOCRIT = 0.42
STEP_MIN = 1 / 480  # the arterial curve is taken as straight between steps of an eighth of a second


def plasma(minutes: Array) -> Array:
    """Contrast medium in arterial plasma, in mmol/l, `minutes` after it arrived."""
    t = np.maximum(minutes, 0)
    blood = 1.05 * np.exp(-0.1685 * t) / (1 + np.exp(-38.078 * (t - 0.483)))
    for area, centre, width in ((0.809, 0.17046, 0.0563), (0.330, 0.365, 0.132)):
        blood = blood + area / (width * np.sqrt(2 * np.pi)) * np.exp(-((t - centre) ** 2) / (2 * width**2))
    return np.asarray(np.where(minutes < 0, 0.0, blood / (1 - HAEMATOCRIT)), np.float64)


def washed(minutes: Array, kep: Array) -> Array:
    """Plasma curve convolved with ``exp(-kep·t)``, in mmol/l · min: one row for each `kep`."""
    steps = int(np.ceil(max(float(minutes.max()), 0) / STEP_MIN)) + 1
    grid = np.asarray(np.arange(steps + 1) * STEP_MIN, np.float64)
    arterial = plasma(grid)
    out = np.empty((len(kep), *minutes.shape))
    for row, rate in enumerate(kep.tolist()):
        decay = np.exp(-rate * STEP_MIN)
        area = -np.expm1(-rate * STEP_MIN) / rate
        end = (1 - area / STEP_MIN) / rate  # weight of the plasma at the end of a step, `area - end` at its start
        gain = end * arterial[1:] + (area - end) * arterial[:-1]
        curve = np.concatenate([[0.0], signal.lfilter([1.0], [1.0, -decay], gain)])
        out[row] = np.interp(minutes, grid, curve, left=0.0)
    return out
