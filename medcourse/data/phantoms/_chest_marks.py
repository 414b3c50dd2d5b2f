"""What a reader may take for a nodule: nodules, their mimics, and other small findings, placed inside a lung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._chest_anatomy import (
    Array,
    Chest,
    cage_centre,
    cage_radius,
    lung_depth,
    points_in_lung,
)
from medcourse.data.phantoms._chest_organs import hila
from medcourse.data.phantoms._chest_tree import Tubes, straight

NODULES = ("solid", "part_solid", "ground_glass")
MASK = {"solid": 1, "part_solid": 2, "ground_glass": 3}
CORE = 4  # the mask's value in the solid core of a part-solid nodule
PLACES = ("isolated", "pleural", "vascular")
SOLID_HU = 60.0  # no nodule and no vessel is brighter, however large the amplitude: it would be calcified

_SPHERE = np.stack(  # directions spread evenly: a Fibonacci spiral
    [
        np.sqrt(1 - (1 - (2 * np.arange(256) + 1) / 256) ** 2) * np.cos(np.arange(256) * np.pi * (3 - np.sqrt(5))),
        np.sqrt(1 - (1 - (2 * np.arange(256) + 1) / 256) ** 2) * np.sin(np.arange(256) * np.pi * (3 - np.sqrt(5))),
        1 - (2 * np.arange(256) + 1) / 256,
    ],
    axis=1,
)


@dataclass(frozen=True)
class Blob:
    """A solid ellipsoid with bumps: centre and half-axes in mm, axes as rows of `frame`, contrast in HU."""

    centre: Array
    axes: Array
    frame: Array
    contrast: float
    soft_mm: float = 0.6  # width of the edge
    mask: int = 0
    bumps: Array = field(default_factory=lambda: np.empty((0, 3)))  # directions
    heights: Array = field(default_factory=lambda: np.empty(0))

    def reach(self) -> float:
        return float(self.axes.max() * (1 + np.abs(self.heights).sum()) + self.soft_mm)


@dataclass(frozen=True)
class Mark:
    """One finding: its kind, where it lies and what it is drawn from; later blobs lie on top of earlier ones."""

    kind: str
    place: str
    centre: Array
    diameter: float
    contrast: float
    blobs: tuple[Blob, ...]
    tubes: Tubes | None = None
    tube_contrast: float = 0.0
    spicules: int = 0
    lobulation: float = 0.0
    core: float = 0.0  # share of the diameter


@dataclass(frozen=True)
class Spot:
    """Where a patient's mark lies: the same for a nodule and for its mimic."""

    place: str
    centre: Array
    inward: Array  # unit vector away from the nearest wall, or from the vessel
    diameter: float


def draw_spot(
    rng: np.random.Generator, chest: Chest, arteries: Sequence[Tubes], *, diameter: float, place: str
) -> Spot:
    """Choose a place for a nodule of this diameter: the first of many candidates that fits."""
    radius = diameter / 2
    side = -1 if rng.random() < 0.54 else 1  # the right lung is larger
    u, jitter = rng.random((500, 4)), rng.standard_normal((500, 3))
    jitter /= np.linalg.norm(jitter, axis=1, keepdims=True)
    clear = np.array([hilum[name] for hilum in hila(chest) for name in ("artery", "vein")])
    free = points_in_lung(rng, chest, side, 60, inside_mm=radius + 5) if place == "isolated" else np.empty((0, 3))
    for part in (slice(0, 40), slice(40, 500)):  # few are needed, as a rule
        if place == "pleural":
            centres, inward, fits = _on_pleura(chest, side, u[part], radius)
        elif place == "vascular":
            centres, inward = _on_vessel(arteries[0 if side < 0 else 1], u[part], jitter[part], radius)
            fits = lung_depth(chest, centres) > radius + 5
        else:
            centres, inward = free[part], jitter[part][: len(free[part])]
            fits = np.ones(len(centres), bool)
        fits &= np.linalg.norm(centres[:, None] - clear, axis=2).min(axis=1) > 30 + radius
        found = np.flatnonzero(fits & (centres[:, 2] < chest.apex - 16))
        if len(found):
            return Spot(place, centres[found[0]], inward[found[0]], diameter)
    return draw_spot(rng, chest, arteries, diameter=diameter, place="isolated")  # no room of this kind


def _on_pleura(chest: Chest, side: int, u: Array, radius: float) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Centres of balls that touch the ribs' side of the pleura, the direction into the lung, and which have room."""
    z = chest.apex - 18 - (chest.apex + 125 * chest.scale - 18) * u[:, 0]
    theta = np.radians(np.where(u[:, 1] < 0.25, -62 + 50 * u[:, 2], -12 + 84 * u[:, 2]))
    theta = theta if side > 0 else np.pi - theta

    def wall(angle: Array, level: Array) -> Array:
        away = cage_radius(chest, angle, level)
        return np.stack([away * np.cos(angle), away * np.sin(angle) + cage_centre(chest, level), level], axis=1)

    edge = wall(theta, z)
    inward = np.cross(wall(theta + 0.02, z) - edge, wall(theta, z + 2) - edge)
    inward /= np.linalg.norm(inward, axis=1, keepdims=True)
    inward *= np.sign((inward * (np.array([side * 55.0, 0.0, -30.0]) - edge)).sum(axis=1, keepdims=True))
    centres = edge + 0.82 * radius * inward
    beyond = lung_depth(chest, centres + (radius + 6) * inward)
    fits: NDArray[np.bool_] = (beyond > radius * 0.6 + 3) & (lung_depth(chest, centres) > 0.5 * radius)
    return centres, inward, fits


def _on_vessel(tree: Tubes, u: Array, away: Array, radius: float) -> tuple[Array, Array]:
    """Centres of balls that touch a vessel of the third to the sixth generation, and the direction from it."""
    rows = np.flatnonzero((tree.generation >= 3) & (tree.generation <= 6))
    row = rows[(u[:, 1] * len(rows)).astype(np.int64)]
    middle = 0.25 * tree.start[row] + 0.5 * tree.control[row] + 0.25 * tree.end[row]
    return middle + (0.8 * radius + tree.radius[row].mean(axis=1))[:, None] * away, away


def _limit(chest: Chest, contrast: float, amplitude: float) -> float:
    """The contrast at an amplitude: never brighter than soft tissue, unless it was so at first."""
    return float(min(contrast * amplitude, max(contrast, SOLID_HU - chest.lung_hu)))


def draw_nodule(
    rng: np.random.Generator, chest: Chest, spot: Spot, *, shares: tuple[float, float, float], amplitude: float
) -> Mark:
    """Draw a nodule at the spot."""
    u, g = rng.random(8), np.clip(rng.standard_normal(8), -2, 2)
    limits = np.cumsum(shares) / np.sum(shares)
    kind = NODULES[int(np.searchsorted(limits[:2], u[0], side="right"))]
    solid = 30 + 14 * g[0] - chest.lung_hu
    glass = (-610 + 55 * g[1]) - chest.lung_hu
    contrast = _limit(chest, solid if kind == "solid" else glass, amplitude)
    shape = u[1]  # round, lobulated, spiculated
    lobes = 0.04 if shape < 0.4 else 0.22
    bumps = rng.standard_normal((7, 3))
    bumps /= np.linalg.norm(bumps, axis=1, keepdims=True)
    heights = lobes * rng.random(7)
    axes = np.exp(0.12 * np.clip(rng.standard_normal(3), -2, 2))
    axes *= spot.diameter / 2 / (axes.prod() * (_bumpy(_SPHERE, bumps, heights) ** 3).mean()) ** (1 / 3)
    frame = _frame(rng.standard_normal(3), rng.standard_normal(3))
    soft = 0.7 if kind == "solid" else 1.6
    blobs = [Blob(spot.centre, axes, frame, contrast, soft, MASK[kind], bumps, heights)]
    core, cored = 0.35 + 0.3 * u[2], rng.standard_normal(3)
    if kind == "part_solid":
        off = 0.3 * (1 - core) * axes.min() * cored / np.linalg.norm(cored)
        inner = _limit(chest, solid - 40, amplitude)
        blobs.append(Blob(spot.centre + off, axes * core, frame, inner, 0.8, CORE, bumps, heights))
    spikes = 5 + int(8 * u[3])
    away = rng.standard_normal((13, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    long = 0.45 + 0.7 * rng.random(13)
    tubes = None
    if shape > 0.72 and kind != "ground_glass" and spot.diameter > 6:
        r = spot.diameter / 2
        length = np.minimum(long * r + 1.5, 8.0)[:, None]
        start = spot.centre + 0.75 * r * away
        thin = np.stack([np.full(13, 0.075 * r + 0.25), np.full(13, 0.15)], axis=1)
        tubes = straight(start[:spikes], (start + (0.25 * r + length) * away)[:spikes], thin[:spikes])
    return Mark(
        kind, spot.place, spot.centre, spot.diameter, contrast, tuple(blobs), tubes, contrast * 0.85,
        0 if tubes is None else spikes, lobes, core if kind == "part_solid" else 0.0,
    )  # fmt: skip


def draw_mimic(rng: np.random.Generator, chest: Chest, spot: Spot, *, amplitude: float) -> Mark:
    """Draw what a nodule is mistaken for, at the spot."""
    u, g = rng.random(10), np.clip(rng.standard_normal(16), -2, 2)
    if spot.place == "pleural":
        kind = ("thickening", "band", "granuloma")[int(np.searchsorted([0.62, 0.9], u[0], side="right"))]
    else:
        kind = ("vessel", "bifurcation", "granuloma")[int(np.searchsorted([0.55, 0.9], u[0], side="right"))]
    d = spot.diameter
    blood = dict(chest.hu)["blood"] - chest.lung_hu
    if kind in {"vessel", "bifurcation"}:
        contrast = _limit(chest, blood, amplitude)
        r = float(np.clip(d * (0.19 + 0.17 * u[1]), 1.0, 3.8))
        way = g[:3] * np.array([0.8, 0.8, 0.6]) + np.array([0, 0, 1.1])
        way /= np.linalg.norm(way)
        long = (11 + 9 * u[2]) * (0.7 + r / 4)
        ends = [(spot.centre - long * way, spot.centre), (spot.centre + long * way, spot.centre)]
        thin = [(0.35 * r, r), (0.3 * r, r)]
        if kind == "bifurcation":
            side = np.cross(way, g[3:6] + np.array([0.01, 0.02, 0.03]))
            side /= np.linalg.norm(side)
            for sign, tilt in ((1, 0.5 + 0.35 * u[3]), (-1, 0.45 + 0.35 * u[4])):
                arm = way * np.cos(tilt) + sign * side * np.sin(tilt)
                if sign > 0:
                    ends[1] = (spot.centre + long * arm, spot.centre)
                else:
                    ends.append((spot.centre + long * arm, spot.centre))
            thin = [(0.55 * r, r), (0.28 * r, 0.8 * r), (0.28 * r, 0.8 * r)]
        far, near = (np.array([pair[k] for pair in ends]) for k in (0, 1))
        return Mark(kind, spot.place, spot.centre, 2 * r, contrast, (), straight(far, near, np.array(thin)), contrast)
    if kind == "granuloma":
        size = 3.0 + 2.5 * u[5]
        return granuloma(
            spot.centre, size, contrast=_limit(chest, 430 + 110 * g[6] - chest.lung_hu, amplitude), place=spot.place
        )
    contrast = _limit(chest, 20 + 12 * g[7] - chest.lung_hu, amplitude)
    centre = spot.centre - 0.82 * d / 2 * spot.inward  # on the pleura
    if kind == "thickening":
        return thickening(
            centre, spot.inward, wide=0.55 * d * (1 + 0.5 * u[6]) + 1.5, high=1.7 + 0.22 * d * u[7], contrast=contrast
        )
    return band(centre, spot.inward, g[8:11], long=9 + 0.9 * d * u[8], thick=0.8 + 1.3 * u[9], contrast=contrast)


def granuloma(centre: Array, size: float, *, contrast: float, place: str) -> Mark:
    """A small calcified ball."""
    blob = Blob(centre, np.full(3, size / 2), np.eye(3), contrast, 0.5)
    return Mark("granuloma", place, centre, size, contrast, (blob,))


def thickening(centre: Array, inward: Array, *, wide: float, high: float, contrast: float) -> Mark:
    """A lens of soft tissue on the pleura."""
    blob = Blob(centre, np.array([high, wide, wide]), _frame(inward, np.array([0.1, 0.2, 1.0])), contrast, 0.7)
    return Mark("thickening", "pleural", centre, 2 * wide, contrast, (blob,))


def band(centre: Array, inward: Array, tilt: Array, *, long: float, thick: float, contrast: float) -> Mark:
    """A plate of collapsed lung that starts at the pleura and is cut as a line."""
    way = inward + 0.45 * tilt / max(float(np.linalg.norm(tilt)), 1e-6)
    frame = _frame(way, np.array([0.15, 0.1, 1.0]))
    middle = centre + 0.8 * long * frame[0]
    blob = Blob(middle, np.array([long, 0.7 * long, thick]), frame, contrast, 0.6)
    return Mark("band", "pleural", centre, 2 * thick, contrast, (blob,))


def draw_others(rng: np.random.Generator, chest: Chest, spot: Spot, *, near_mm: float) -> list[Mark]:
    """Harmless findings elsewhere in the lungs of every patient, within `near_mm` of the mark's level."""
    count = 1 + int(rng.random() * 3)
    out: list[Mark] = []
    for _ in range(count):
        u, g = rng.random(6), np.clip(rng.standard_normal(6), -2, 2)
        place = "isolated" if u[0] < 0.35 else "pleural"
        other = draw_spot(rng, chest, (), diameter=6.0, place=place)
        shift = spot.centre[2] + near_mm * (2 * u[1] - 1) - other.centre[2]
        centre = other.centre + np.array([0.0, 0.0, shift]) if place == "isolated" else other.centre
        if np.linalg.norm(centre - spot.centre) < 26 + spot.diameter or lung_depth(chest, centre[None])[0] < 2:
            continue
        edge = centre - 0.82 * 3.0 * other.inward
        soft = 15 + 10 * g[0] - chest.lung_hu
        if place == "isolated":
            out.append(granuloma(centre, 2.5 + 2.5 * u[2], contrast=430 + 110 * g[1] - chest.lung_hu, place=place))
        elif u[3] < 0.55:
            out.append(thickening(edge, other.inward, wide=4 + 6 * u[4], high=1.7 + 1.8 * u[5], contrast=soft))
        else:
            out.append(band(edge, other.inward, g[2:5], long=8 + 9 * u[4], thick=0.7 + 0.9 * u[5], contrast=soft))
    return out


def _bumpy(directions: Array, bumps: Array, heights: Array) -> Array:
    """Radius in each direction (..., 3), relative to the ellipsoid."""
    radius = np.ones(directions.shape[:-1])
    for bump, height in zip(bumps, heights.tolist(), strict=True):
        radius = radius + height * np.exp(5 * (directions @ bump - 1))
    return radius


def cover(blob: Blob, points: Array, *, pixel_mm: float) -> Array:
    """Share of the blob at points (..., 3): 1 inside, 0 outside, with a soft edge at least a pixel wide."""
    local = (points - blob.centre) @ blob.frame.T / blob.axes
    rho = np.maximum(np.sqrt((local**2).sum(axis=-1)), 1e-9)
    steep = np.sqrt(((local / blob.axes) ** 2).sum(axis=-1)) / rho  # length of rho's gradient
    radius = _bumpy(local / rho[..., None], blob.bumps, blob.heights) if len(blob.heights) else 1.0
    inside_mm = (radius - rho) / np.maximum(steep, 1e-9)
    share: Array = np.clip(0.5 + inside_mm / max(blob.soft_mm, pixel_mm), 0, 1)
    return share


def _frame(first: Array, second: Array) -> Array:
    """Three orthonormal rows, the first along `first`."""
    one = first / np.linalg.norm(first)
    two = second - (second @ one) * one
    two = two / np.linalg.norm(two)
    return np.stack([one, two, np.cross(one, two)])
