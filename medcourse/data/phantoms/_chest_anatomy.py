"""One patient's chest as formulae in millimetres: walls, lungs, diaphragm, heart, bones; nothing is drawn here.

Axes: x to the patient's left, y to the back, z to the head; the origin lies at the carina, midway in the chest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

VERTEBRA_MM, DISC_MM = 23.0, 5.0  # from one vertebra to the next, and the disc's share of it
RIBS = 12
REST = 20.0  # above this level the outer wall keeps its width while the rib cage narrows to the apex


@dataclass(frozen=True)
class Chest:
    """What is drawn once for each patient; lengths in mm, CT numbers in HU."""

    female: bool
    age: float
    scale: float
    width: float  # half the rib cage's inner width
    depth: float  # half its inner depth
    roundness: float  # exponent of the superellipse
    apex: float  # z of the lungs' top
    length: float  # from the apex to where the cage is widest
    lean: tuple[float, float]  # factors on the right and on the left half of the cage
    fat: float
    fat_side: float
    muscle: float
    mediastinum: float
    heart: tuple[float, float, float]  # centre
    heart_axes: tuple[float, float, float]
    heart_turn: tuple[float, float]  # radians in the axial plane, and down
    domes: tuple[tuple[float, float, float], tuple[float, float, float]]  # right and left: x, y, z of the top
    dome_height: float
    aorta: float  # radius of the descending aorta
    arch: float  # z of its arch
    trachea: float  # radius of its lumen
    spine: float  # y of the vertebral bodies
    vertebra: float  # z phase of the vertebrae
    rib_drop: float
    lung_hu: float
    gravity_hu: float  # per mm towards the back
    emphysema: float
    hu: tuple[tuple[str, float], ...]  # CT numbers of this patient's tissues


def draw_chest(rng: np.random.Generator, *, emphysema: float) -> Chest:
    """Draw a patient. Every call takes the same number of draws."""
    g = np.clip(rng.standard_normal(48), -2.2, 2.2)
    u = rng.random(8)
    female = bool(u[0] < 0.5)
    scale = (0.96 if female else 1.03) * (1 + 0.03 * g[0])
    width = min((122 if female else 129) * scale * (1 + 0.025 * g[1]), 138.0)
    age = 60 + 9 * g[31]
    top = -120 * scale + 7 * g[2]
    marrow = 225 - 1.9 * (age - 30) + 25 * g[3]  # falls by some 2 HU a year
    hu = {
        "skin": 10.0, "fat": -106 + 4 * g[4], "muscle": 52 + 5 * g[5], "medfat": -98 + 5 * g[6],
        "myocardium": 46 + 3 * g[7], "blood": 41 + 4 * g[8], "cortex": 720 + 90 * g[9], "marrow": float(marrow),
        "cartilage": 95 + 12 * g[10], "disc": 78 + 8 * g[11], "cord": 28 + 4 * g[12], "wall": 30 + 6 * g[13],
        "liver": 58 + 5 * g[14], "spleen": 48 + 4 * g[15], "abdomen": 30 + 6 * g[16], "gland": 25 + 12 * g[17],
    }  # fmt: skip
    ill = u[1] < emphysema
    muscle = (14 if female else 17) * (1 + 0.1 * g[24])
    return Chest(
        female=female,
        age=float(age),
        scale=float(scale),
        width=float(width),
        depth=float(86 * scale * (1 + 0.045 * g[18])),
        roundness=float(2.35 + 0.12 * g[19]),
        apex=float(95 * scale + 5 * g[20]),
        length=float(150 * scale),
        lean=(float(1.01 + 0.012 * g[21]), float(0.99 + 0.012 * g[22])),
        fat=float(min((9 if female else 7) + 15 * u[2] ** 1.5, (176 - 1.03 * width - 1.35 * muscle) / 1.35)),
        fat_side=float(0.2 + 0.06 * g[23]),
        muscle=float(muscle),
        mediastinum=float(scale * (1 + 0.06 * g[25])),
        heart=(float(17 + 3 * g[26]), float(-27 + 3 * g[27]), float(-74 * scale + 5 * g[28])),
        heart_axes=(float(66 * scale + 3 * g[29]), float(45 * scale + 2.5 * g[30]), float(50 * scale + 2.5 * g[32])),
        heart_turn=(float(-0.66 + 0.1 * g[33]), float(0.35 + 0.08 * g[34])),
        domes=(
            (float(-0.49 * width + 2 * g[35]), float(-8 + 3 * g[36]), float(top)),
            (float(0.50 * width + 2 * g[37]), float(-6 + 3 * g[38]), float(top - 11 + 4 * g[39])),
        ),
        dome_height=float(45 + 4 * g[40]),
        aorta=float(11.6 + 0.9 * g[41] + (0 if female else 1.0)),
        arch=float(33 * scale + 3 * g[42]),
        trachea=float((7.6 if female else 9.0) * (1 + 0.06 * g[43])),
        spine=float(52 * scale + 2 * g[44]),
        vertebra=float(VERTEBRA_MM * u[3]),
        rib_drop=float(88 * scale + 8 * g[45]),
        lung_hu=float(-868 + 20 * g[46] - (14 if ill else 0)),
        gravity_hu=float(0.27 + 0.07 * g[47]),
        emphysema=float(0.3 + 0.7 * u[4]) if ill else 0.0,
        hu=tuple((name, float(value)) for name, value in hu.items()),
    )


def _bump(angle: Array, centre: float, width: float) -> Array:
    """A smooth bump of height 1 at `centre`; all in degrees."""
    away = (angle - centre + 180) % 360 - 180
    bump: Array = np.exp(-((away / width) ** 2))
    return bump


def cage_centre(chest: Chest, z: Array) -> Array:
    """The y of the rib cage's axis: the apices lie further back."""
    centre: Array = 16 * (1 - _narrowing(chest, z))
    return centre


def _narrowing(chest: Chest, z: Array) -> Array:
    rest = np.clip((chest.apex - z) / chest.length, 0, 1)
    factor: Array = (1 - (1 - rest) ** 2.2) ** (1 / 2.2)
    return factor


def cage_radius(chest: Chest, theta: Array, z: Array) -> Array:
    """Distance of the ribs' inner surface from the axis, at an angle (0 left, pi/2 back) and a level."""
    factor = np.maximum(_narrowing(chest, z), 1e-4)
    c, s = np.cos(theta), np.sin(theta)
    n = chest.roundness
    half = chest.width * factor * np.where(c < 0, chest.lean[0], chest.lean[1])
    radius = ((np.abs(c) / half) ** n + (np.abs(s) / (chest.depth * factor**0.85)) ** n) ** (-1 / n)
    angle = np.degrees(theta)
    shaped: Array = radius * (1 - 0.20 * _bump(angle, 90, 15)) * (1 - 0.07 * _bump(angle, -90, 22))
    return shaped


def muscle_radius(chest: Chest, theta: Array, z: Array) -> Array:
    """Outer surface of the muscles: the wall keeps its width over the shoulders and ends in a neck."""
    low = np.minimum(z, REST)
    angle = np.degrees(theta)
    height = (z + 10) / 70  # pectoral muscles: upper chest
    front = _bump(angle, -52, 22) + _bump(angle, -128, 22)
    side = _bump(angle, 25, 28) + _bump(angle, 155, 28)
    thick = chest.muscle * (1 + (0.75 * front + 0.3 * side) * np.exp(-((height - 0.6) ** 2))) * (
        1 - 0.45 * _bump(angle, -90, 16)
    ) + chest.muscle * 1.75 * _bump(angle, 90, 24)
    neck = 1 - 0.5 / (1 + np.exp(-(z - chest.apex - 42) / 11))
    radius: Array = (cage_radius(chest, theta, low) + thick) * neck
    return radius


def skin_radius(chest: Chest, theta: Array, z: Array) -> Array:
    """Outer surface of the body."""
    angle = np.degrees(theta)
    fat = chest.fat * (
        1 + chest.fat_side * (_bump(angle, 0, 50) + _bump(angle, 180, 50)) - 0.35 * _bump(angle, -90, 25)
    )
    if chest.female:
        tall = np.exp(-(((z + 55) / 40) ** 2))
        fat = fat + (14 + 0.9 * chest.fat) * (_bump(angle, -55, 21) + _bump(angle, -125, 21)) * tall
    radius: Array = muscle_radius(chest, theta, z) + fat
    return radius


def mediastinum(chest: Chest, y: Array, z: Array, side: Array | int) -> Array:
    """Half-width of the mediastinum at a depth and level; `side` -1 right, 1 left. The spine is part of it."""
    k = chest.mediastinum
    wide = 8 + 22 * k * np.exp(-((((y + 8) / 36) ** 2) ** 2)) + 15 / (1 + np.exp(-(y - 22) / 5))
    top = 20 / (1 + np.exp(-(z - (chest.apex - 26)) / 7))  # the neck's root
    aorta = np.exp(-(((y - chest.spine + 10) / 15) ** 2)) / (1 + np.exp((z - chest.arch - 4) / 6))
    width: Array = wide + top + (chest.aorta - 1) * (np.asarray(side) > 0) * aorta
    return width


@lru_cache(maxsize=64)
def heart_frame(chest: Chest) -> tuple[Array, Array]:
    """Centre, and the long, short and vertical axes as rows of a rotation."""
    turn, down = chest.heart_turn
    long = np.array([np.cos(turn) * np.cos(down), np.sin(turn) * np.cos(down), -np.sin(down)])
    short = np.array([-np.sin(turn), np.cos(turn), 0.0])
    return np.array(chest.heart), np.stack([long, short, np.cross(long, short)])


def dome(chest: Chest, x: Array, y: Array) -> Array:
    """Height of the diaphragm."""
    tops = [
        z - chest.dome_height * (((x - cx) / (0.60 * chest.width)) ** 2 + ((y - cy) / (0.97 * chest.depth)) ** 2)
        for cx, cy, z in chest.domes
    ]
    height: Array = np.maximum(*tops)
    return height


def spine_centre(chest: Chest, z: Array) -> Array:
    """The y of the vertebral bodies' centres: thoracic kyphosis."""
    y: Array = chest.spine - 9 * ((z + 15) / 120) ** 2
    return y


def lung_depth(chest: Chest, points: Array) -> Array:
    """About how far inside a lung each point (n, 3) lies, in mm; negative outside."""
    x, y, z = points.T
    back = y - cage_centre(chest, z)
    theta = np.arctan2(back, x)
    away = np.hypot(x, back)
    radius = cage_radius(chest, theta, z)
    wall = (radius - away) * np.minimum(1.0, 0.5 + away / 160)  # oblique walls are nearer than along the ray
    middle = np.abs(x) - mediastinum(chest, y, z, np.sign(x))
    centre, axes = heart_frame(chest)
    local = (points - centre) @ (axes.T / (np.array(chest.heart_axes) + 4))
    heart = (np.sqrt(np.einsum("ij,ij->i", local, local)) - 1) * 45
    floor = (z - dome(chest, x, y)) * 0.75
    top = (chest.apex - z) * 0.5
    depth: Array = np.minimum.reduce([wall, middle, heart, floor, top])
    return depth


def lung_box(chest: Chest, side: int) -> tuple[Array, Array]:
    """Lowest and highest corner of a box around one lung."""
    bottom = min(z for _, _, z in chest.domes) - 65
    ends = sorted((side * 6.0, side * chest.width * 1.05))
    return np.array([ends[0], -1.05 * chest.depth, bottom]), np.array([ends[1], 1.1 * chest.depth + 12, chest.apex])


def points_in_lung(rng: np.random.Generator, chest: Chest, side: int, n: int, *, inside_mm: float) -> Array:
    """Draw `n` points evenly in a lung, at least about `inside_mm` from its surface."""
    low, high = lung_box(chest, side)
    found: list[Array] = []
    have = 0
    while have < n:
        points = low + (high - low) * rng.random((3 * n, 3))
        kept = points[lung_depth(chest, points) > inside_mm]
        found.append(kept)
        have += len(kept)
    return np.concatenate(found)[:n]
