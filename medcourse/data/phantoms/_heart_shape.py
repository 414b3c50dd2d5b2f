"""One patient's heart in short-axis sections: contours in polar form about the left ventricle's axis, in mm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._heart_cycle import BULLET, WALL, cavity_profile, emptied, level_profile, wall_profile

Array = NDArray[np.float64]

ANGLES = 720  # directions in which a contour is given
THETA = np.arange(ANGLES) * (2 * np.pi / ANGLES)
MOST = 0.9  # no part of the cavity's section shrinks by more: the walls never meet


@dataclass(frozen=True)
class Heart:
    """What is drawn once for each patient; lengths in mm, volumes in ml, angles in radians (x right, y down)."""

    edv: float
    ejection: float  # ejection fraction, 0 to 1
    loss: float  # points of it that the disease has taken
    rate: float
    early: float  # share of the E wave in the filling
    length: float  # of the cavity, end-diastolic
    shortening: float  # of the length at end systole, as a share
    level: float  # what mid level contracts more than the whole ventricle, as a share
    wall: float  # ml of myocardium
    oval: tuple[float, float, float, float]  # second and third harmonics of the cavity: size and direction
    septum: float  # direction of the right ventricle
    akinesia: float  # missing share of the motion in a part of the wall; 0 nowhere
    akinesia_at: float
    akinesia_width: float
    rv_area: float  # mm² at mid level, end-diastolic
    rv_change: float  # its fractional area change
    rv_arms: tuple[float, float]  # angles that the crescent spans to either side
    papillary: tuple[tuple[float, float, float], tuple[float, float, float]]  # direction, radius share, size
    twist: float
    fat: float  # epicardial


def draw_heart(
    rng: np.random.Generator, *, diseased: bool, amplitude: float, dilation: float, level_variation: float
) -> Heart:
    """Draw a patient. The draws do not depend on disease or amplitude; these only lower the ejection fraction."""
    g = np.clip(rng.standard_normal(24), -2.2, 2.2)
    u = rng.random(8)
    healthy = 57.5 + 3.4 * g[0]  # points: 50 to 65
    reduced = 40 - 10 * u[0] ** 1.3  # at amplitude 1: 30 to 40
    ejection = max(healthy * (reduced / healthy) ** amplitude, 8.0) if diseased else healthy
    lost = 1 - ejection / healthy
    edv = 145 * np.exp(0.25 * g[1] + dilation * lost * 2)
    rate = 68 + 10 * g[2]
    share = 0.25 + 0.06 * g[3]  # of the ejection fraction, by which the long axis shortens
    shortening = ejection / 100 * share
    whole = 1 - (1 - ejection / 100) / (1 - shortening)  # fractional area change of the ventricle as a whole
    most = (MOST / whole - 1.02) / 1.2
    level = float(np.clip(level_variation * g[4], -most, most))
    ill = u[1] < 0.35
    section = edv * 1000 / (BULLET * (length := 90 * (edv / 145) ** (1 / 3) * np.exp(0.04 * g[5])))
    return Heart(
        edv=float(edv), ejection=float(ejection / 100), loss=float(healthy - ejection), rate=float(rate),
        early=float(0.68 + 0.07 * g[6]), length=float(length), shortening=float(shortening), level=level,
        wall=float(112 * (edv / 145) ** 0.6 * np.exp(0.13 * g[7])),
        oval=(0.035 * abs(g[8]), np.pi * u[2], 0.012 * abs(g[9]), 2 * np.pi * u[3] / 3),
        septum=float(np.deg2rad(196 + 8 * g[10])),
        akinesia=float(0.5 + 0.5 * u[4]) if ill else 0.0,
        akinesia_at=float(2 * np.pi * u[5]), akinesia_width=float(np.deg2rad(40 + 8 * g[11])),
        rv_area=float(0.92 * section * np.exp(0.26 * g[12])), rv_change=float(0.38 + 0.11 * g[13]),
        rv_arms=(float(np.deg2rad(86 + 5 * g[14])), float(np.deg2rad(76 + 5 * g[15]))),
        papillary=(
            (float(np.deg2rad(118 + 8 * g[16])), float(0.66 + 0.04 * g[17]), float(4.6 * np.exp(0.12 * g[18]))),
            (float(np.deg2rad(-118 + 8 * g[19])), float(0.66 + 0.04 * g[20]), float(5.2 * np.exp(0.12 * g[21]))),
        ),
        twist=float(np.deg2rad(5 + 2 * g[22])), fat=float(5.5 + 1.6 * g[23]),
    )  # fmt: skip


def volumes(heart: Heart, phase: Array) -> tuple[Array, Array]:
    """Volume (ml) and length (mm) of the cavity at `phase`."""
    out = emptied(phase, rate=heart.rate, early=heart.early)
    return heart.edv * (1 - heart.ejection * out), heart.length * (1 - heart.shortening * out)


def section_areas(heart: Heart, phase: Array, z: Array | float) -> tuple[Array, Array]:
    """Areas (mm²) of cavity and wall in the plane `z` mm above the cavity's apex, which stays in place."""
    volume, length = volumes(heart, phase)
    middle = heart.edv * 1000 / (BULLET * heart.length)
    whole = 1 - volume * 1000 / (BULLET * length * middle)
    zeta = z / length
    cavity = middle * cavity_profile(zeta) * (1 - whole * (1 + heart.level * level_profile(zeta)))
    return cavity, heart.wall * 1000 / (WALL * length) * wall_profile(zeta)


def contours(heart: Heart, phase: Array, z: float, thickness: float) -> tuple[Array, Array]:
    """Radii (contour, frame, direction) of endocardium, epicardium, right ventricle, its wall and the fat around.

    Also the share (frame,) of the slice that lies below the mitral plane: above it the wall is the atrium's.
    """
    _, length = volumes(heart, phase)
    below = np.clip((length - z) / thickness + 0.5, 0, 1)
    cavity, wall = section_areas(heart, phase, np.minimum(z, 0.999 * length))
    start = float(section_areas(heart, np.zeros(1), np.minimum(z, 0.999 * heart.length))[0][0])
    size, turn, size3, turn3 = heart.oval
    shape = 1 + size * np.cos(2 * (THETA - turn)) + size3 * np.cos(3 * (THETA - turn3))
    relaxed = start / np.pi * shape**2 / (shape**2).mean()  # square of the end-diastolic radius
    shrink = 1 - cavity / start if start > 0 else np.zeros_like(cavity)
    motion = 1 - heart.akinesia * np.exp(-((_turn(THETA - heart.akinesia_at) / heart.akinesia_width) ** 2))
    motion /= (shape**2 * motion).mean() / (shape**2).mean()
    limit = MOST / max(float(shrink.max()), 1e-9)  # a section that empties far shrinks evenly
    if motion.max() > limit:
        motion = 1 + (motion - 1) * max((limit - 1) / (motion.max() - 1), 0)
    inner2 = relaxed * (1 - shrink[:, None] * motion)
    uneven = 1 + 0.10 * np.cos(THETA - heart.septum)
    muscle = wall[:, None] / np.pi * uneven  # incompressible in every direction
    inner = np.sqrt(np.maximum(inner2, 0))
    outer = np.sqrt(np.maximum(inner2, 0) + muscle)
    thin = inner + 2.0
    outer = below[:, None] * outer + (1 - below[:, None]) * np.minimum(outer, thin)
    right = outer + _crescent(heart, phase, outer, z / length)
    free_wall = right + 3.2 * np.sqrt(_arms(heart))
    around = free_wall + heart.fat * _fat_cushion(heart)
    return np.stack([inner, outer, right, free_wall, around]), below


def _crescent(heart: Heart, phase: Array, outer: Array, zeta: Array) -> Array:
    """Depth of the right ventricle's crescent outside the septum, from its area: a1·depth + a2·depth² = area."""
    out = emptied(phase, rate=heart.rate, early=heart.early)
    tall = np.clip((zeta - 0.12) / 0.4, 0, 1) ** 0.7
    area = heart.rv_area * (1 - heart.rv_change * out) * tall
    arms = _arms(heart)
    a1 = (outer * arms).sum(axis=1) * (2 * np.pi / ANGLES)
    a2 = (arms**2).sum() * (np.pi / ANGLES)
    depth = (np.sqrt(a1**2 + 4 * a2 * area) - a1) / (2 * a2)
    return np.asarray(depth[:, None] * arms)


def _fat_cushion(heart: Heart) -> Array:
    """Fat lies in the grooves where the ventricles meet and over the right one, hardly over the lateral wall."""
    away = _turn(THETA - heart.septum)
    front, back = heart.rv_arms
    grooves = 1.5 * np.exp(-(((away - front) / 0.28) ** 2)) + 1.2 * np.exp(-(((away + back) / 0.25) ** 2))
    wavy = 0.12 * np.cos(5 * THETA + 7 * heart.akinesia_at) + 0.08 * np.cos(9 * THETA - 3 * heart.akinesia_at)
    over = 0.45 * (1 + np.cos(away)) / 2 + 0.12
    return np.asarray(np.maximum(grooves + over + wavy, 0.05))


def _arms(heart: Heart) -> Array:
    away = _turn(THETA - heart.septum)
    span = np.where(away > 0, heart.rv_arms[0], heart.rv_arms[1])
    inside = np.clip(1 - np.abs(away / span) ** 1.7, 0, 1)
    return np.asarray(inside * (1 - 0.18 * np.sin(away)))  # deeper towards the diaphragm, slender in front


def _turn(angle: NDArray[np.floating[Any]]) -> Array:
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)
