"""The heart as formulae: how much blood is in the left ventricle when, and what that does to its cross-sections.

The cavity is a bullet: a cylinder on half an ellipsoid, each half of the long axis, so V = 5/6 · area · length.
The height of a cross-section is `zeta`, 0 at the cavity's apex and 1 at the mitral plane.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BULLET = 5 / 6
CAP = 0.1  # the wall goes on below the cavity's apex, by this share of its length
WALL = 0.5 + (0.5 + CAP) * 2 / 3  # integral of `wall_profile` over zeta
MID = 0.6  # height of the single slice
PRE_EJECTION_MS = 45.0
DIASTASIS = 0.06  # share of the filling that goes on all through diastole


def systole_ms(rate: Array | float) -> Array:
    """From the R wave to the end of systole: shorter in a fast heart, a third of the cycle at 65 beats a minute."""
    return np.asarray(410 - 1.7 * rate)


def emptied(phase: Array, *, rate: Array | float, early: Array | float) -> Array:
    """Share of the stroke volume that is out: 0 at the R wave, 1 at end systole, then the E and the A wave refill.

    `phase` runs from 0 to 1 over the cycle; all arguments broadcast.
    """
    cycle = np.asarray(60000 / rate)
    end = systole_ms(rate)
    diastole = cycle - end
    time = (phase % 1.0) * cycle
    e_wave, a_wave = np.minimum(230, 0.5 * diastole), np.minimum(140, 0.34 * diastole)
    out = _step((time - PRE_EJECTION_MS) / (end - PRE_EJECTION_MS))
    share = np.asarray((1 - DIASTASIS) * early)
    back = (
        share * _step((time - end) / e_wave)
        + (1 - DIASTASIS - share) * _step((time - cycle + a_wave) / a_wave)
        + DIASTASIS * np.clip((time - end) / diastole, 0, 1)
    )
    return np.asarray(out - back)


def cavity_profile(zeta: Array) -> Array:
    """Area of the cavity's cross-section relative to mid level."""
    inside = np.clip((0.5 - zeta) / 0.5, 0, 1)
    return np.asarray(np.where((zeta > 0) & (zeta < 1), 1 - inside**2, 0.0))


def wall_profile(zeta: Array) -> Array:
    """Area of the wall's cross-section relative to mid level."""
    inside = np.clip((0.5 - zeta) / (0.5 + CAP), 0, 1)
    return np.asarray(np.where((zeta > -CAP) & (zeta < 1), 1 - inside**2, 0.0))


def level_profile(zeta: Array) -> Array:
    """How a level may contract more or less than the ventricle as a whole: 1 at mid level, 0 on the average."""
    return np.asarray((np.cos(2 * np.pi * (zeta - MID)) - _MEAN) / (1 - _MEAN))


def _step(u: Array) -> Array:
    u = np.clip(u, 0, 1)
    return u * u * (3 - 2 * u)


def _mean_level() -> float:
    zeta = (np.arange(20000) + 0.5) / 20000
    weight = cavity_profile(zeta)
    return float((weight * np.cos(2 * np.pi * (zeta - MID))).sum() / weight.sum())


_MEAN = _mean_level()
