"""What is marked in a mammogram: masses, microcalcifications, and the ordinary things that look like them.

Each function adds to a picture in place, in its bounding box; (y, x) is the centre in mm from the picture's corner.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from medcourse.data.phantoms._mammogram_shape import FIELD_MM, Float

Float64 = NDArray[np.float64]
Box = tuple[slice, slice]
CALCIUM = 1.0  # 1/mm: attenuation of a grain beyond that of tissue; effective, scaled by the difficulty
MARGINS = ("circumscribed", "obscured", "spiculated")


def box_of(y: float, x: float, reach: float, size: int) -> tuple[Box, Float, Float]:
    """The pixels within `reach` mm of a point, and their offsets from it: `down` (rows, 1), `right` (1, columns)."""
    scale = size / FIELD_MM
    limits = [
        (max(0, math.floor((at - reach) * scale)), min(size, math.ceil((at + reach) * scale) + 1)) for at in (y, x)
    ]
    rows, columns = (slice(*limit) for limit in limits)
    down = ((np.arange(*limits[0]) + 0.5) / scale - y).astype(np.float32)[:, None]
    right = ((np.arange(*limits[1]) + 0.5) / scale - x).astype(np.float32)[None, :]
    return (rows, columns), down, right


def draw_mass_shape(rng: np.random.Generator, spiculation: float | None) -> dict[str, Float64]:
    """What makes one mass look as it does: arrays of numbers, the same count for every mass."""
    u = rng.random(6)
    drawn = float(u[0]) if spiculation is None else spiculation
    margin = 2 if drawn > 0.4 else int(u[1] < 0.5)  # spiculated above 0.4, else circumscribed or obscured
    return {
        "spiculation": np.array(drawn),
        "margin": np.array(margin),
        "diameter": np.array(np.clip(13 * math.exp(0.28 * rng.standard_normal()), 7, 22)),
        "peak": np.array(0.8 + 0.4 * u[2]),
        "stretch": np.array(1 + 0.25 * u[3]),
    }


def draw_mass_view(rng: np.random.Generator) -> dict[str, Float64]:
    """What differs between two projections of one mass."""
    return {
        "turn": 2 * np.pi * rng.random(7),
        "jitter": rng.random((3, 26)),
    }


def add_mass(
    picture: Float, mass: dict[str, Float64], view: dict[str, Float64], *, y: float, x: float, peak: float
) -> NDArray[np.bool_]:
    """Add a mass of the given peak; returns its body (without spicules) as a mask of the whole picture."""
    size = len(picture)
    radius, spiculation = float(mass["diameter"]) / 2, float(mass["spiculation"])
    box, down, right = box_of(y, x, 3.0 * radius, size)
    r, theta = np.hypot(down, right), np.arctan2(down, right)
    turn = view["turn"]
    lobes = np.ones_like(r)
    for k, order in enumerate((2, 3, 5, 7)):
        size_of = (0.06 + 0.10 * spiculation) / order**0.5
        lobes += np.float32(size_of) * np.cos(order * theta + np.float32(turn[k]))
    half = float(mass["stretch"]) ** 0.5 - 1
    lobes += np.float32(half) * np.cos(2 * (theta - np.float32(turn[4])))
    lobes /= np.sqrt(np.mean(lobes * lobes))  # the area is that of a disc of the stated diameter
    inside = np.clip(1 - (r / (np.float32(radius) * lobes)) ** 2, 0, None)
    body = inside > 0
    signal = inside ** np.float32(0.6 + 0.6 * spiculation)
    if int(mass["margin"]) == 1:  # one side fades into the tissue
        aside = (right * math.cos(turn[5]) + down * math.sin(turn[5])) / np.float32(radius)
        signal *= 1 - np.float32(0.8) / (1 + np.exp(-6 * (aside - np.float32(0.15))))
    spicules = spicule_count(spiculation)
    for k in range(spicules):
        first, second, third = view["jitter"][:, k]
        angle = turn[6] + 2 * math.pi * (k + 0.7 * (first - 0.5)) / spicules
        long = radius * (1.15 + (0.3 + 1.5 * spiculation) * second**1.7)
        width = max(0.35 + 0.3 * third, 0.4 * FIELD_MM / size)
        along = right * math.cos(angle) + down * math.sin(angle)
        across = down * math.cos(angle) - right * math.sin(angle) + np.float32(0.03 * (first - 0.5)) * along**2
        fade = np.clip(1 - along / np.float32(long), 0, 1)
        fade *= np.clip(
            along / np.float32(0.5 * radius) - np.float32(0.5), 0, 1
        )  # not in the core, whose peak is given
        height = 0.75 * (0.35 + 0.3 * third) / width
        signal += np.float32(height) * fade * np.exp(-0.5 * (across / np.float32(width)) ** 2)
    picture[box] += np.float32(peak) * signal
    mask = np.zeros((size, size), bool)
    mask[box] = body
    return mask


def spicule_count(spiculation: float) -> int:
    """Number of spicules: none up to 0.4, then 8 to 20."""
    return 0 if spiculation <= 0.4 else round(8 + 20 * (spiculation - 0.4))


def add_lump(picture: Float, *, y: float, x: float, peak: float, sigma: float, stretch: float, angle: float) -> None:
    """Tissue that overlaps by chance: a soft oval without an edge."""
    box, down, right = box_of(y, x, 3.2 * sigma * stretch, len(picture))
    along = (right * math.cos(angle) + down * math.sin(angle)) / np.float32(sigma * stretch)
    across = (down * math.cos(angle) - right * math.sin(angle)) / np.float32(sigma / stretch)
    picture[box] += np.float32(peak) * np.exp(np.float32(-0.5) * (along**2 + across**2))


def add_crossing(
    picture: Float, *, y: float, x: float, peak: float, angles: Float64, width: float, sag: Float64
) -> None:
    """Strands that cross at one point, each with its own direction and bend, fading along their length."""
    box, down, right = box_of(y, x, 26, len(picture))
    for angle, bend in zip(angles.tolist(), sag.tolist(), strict=True):
        along = right * math.cos(angle) + down * math.sin(angle)
        across = down * math.cos(angle) - right * math.sin(angle) + np.float32(bend) * along**2
        fade = np.exp(-0.5 * (along / np.float32(8.5)) ** 2)
        ridge = np.exp(-0.5 * (across / np.float32(width)) ** 2)
        picture[box] += np.float32(peak / len(angles)) * fade * ridge


def add_node(picture: Float, *, y: float, x: float, peak: float, length: float, angle: float, hilum: float) -> None:
    """A lymph node: a sharp bean, dark where the fat of its hilum is."""
    box, down, right = box_of(y, x, length, len(picture))
    along = (right * math.cos(angle) + down * math.sin(angle)) / np.float32(length / 2)
    across = (down * math.cos(angle) - right * math.sin(angle)) / np.float32(0.34 * length)
    bean = np.clip(1 - along**2 - (across + np.float32(0.25) * along**2) ** 2, 0, None)
    fat = np.exp(-((along / np.float32(0.5)) ** 2 + ((across - np.float32(0.35)) / np.float32(0.42)) ** 2))
    picture[box] += np.float32(peak) * np.maximum(bean ** np.float32(0.6) - np.float32(hilum) * fat, np.float32(-0.1))


def add_grains(picture: Float, beads: Float64, *, y: float, x: float, amplitude: float) -> NDArray[np.bool_]:
    """Add calcified grains, rows of `beads`: (down, right, diameter) in mm; returns the pixels that hold them.

    A bead is a sphere, projected: the integral of its attenuation is exact, pi/6 d^3, and is shared among the pixels
    by the integral of a Gaussian with the sphere's second moment, d^2/20; most beads are smaller than a pixel.
    """
    size = len(picture)
    scale = size / FIELD_MM
    reach = math.ceil(4 * float(beads[:, 2].max(initial=0.1)) / math.sqrt(20) * scale) + 1
    centre = np.stack([beads[:, 0] + y, beads[:, 1] + x]) * scale  # in pixels, from the corner
    first = np.floor(centre).astype(np.int64) - reach
    index = first[..., None] + np.arange(2 * reach + 1)
    sigma = beads[:, 2] / math.sqrt(20) * scale
    z = (index[..., None] + np.array([0.0, 1.0]) - centre[..., None, None]) / sigma[None, :, None, None]
    share = np.diff(special.ndtr(z), axis=-1)[..., 0]  # (2, beads, pixels)
    both = share[0, :, :, None] * share[1, :, None, :]
    height = CALCIUM * amplitude * math.pi / 6 * beads[:, 2] ** 3 * scale**2
    rows = np.broadcast_to(index[0][:, :, None], both.shape)
    columns = np.broadcast_to(index[1][:, None, :], both.shape)
    seen = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    np.add.at(picture, (rows[seen], columns[seen]), (height[:, None, None] * both)[seen].astype(np.float32))
    mask = np.zeros((size, size), bool)
    held = seen & (both >= 0.35 * both.max(axis=(1, 2), keepdims=True))
    mask[rows[held], columns[held]] = True
    return mask


def draw_cluster(rng: np.random.Generator) -> Float64:
    """Grains of one cluster in three dimensions: rows of (x, lateral, upward, diameter) in mm, pleomorphic."""
    count = int(rng.integers(8, 21))
    spread = 1.6 + 1.6 * rng.random()
    centre = np.clip(spread * rng.standard_normal((count, 3)), -2 * spread, 2 * spread)
    diameter = np.clip(0.36 * np.exp(0.35 * rng.standard_normal(count)), 0.2, 1.0)
    beads = []
    for k, parts in enumerate(rng.integers(1, 4, count).tolist()):  # one to three beads make a grain
        heading = rng.standard_normal(3)
        heading /= np.linalg.norm(heading)
        each = float(diameter[k]) / parts ** (1 / 3)
        beads += [[*(centre[k] + (j - (parts - 1) / 2) * 0.8 * each * heading), each] for j in range(parts)]
    return np.array(beads)


def project(cluster: Float64, projection: str) -> Float64:
    """The cluster's beads as (down, right, diameter) in one projection of the left breast."""
    toward, lateral, up, diameter = cluster.T
    above = lateral if projection == "CC" else (up + lateral) / math.sqrt(2)
    return np.stack([-above, toward, diameter], axis=1)


def draw_scattered(rng: np.random.Generator) -> Float64:
    """Benign grains: rounder, more alike, and scattered over a wide region."""
    count = int(rng.integers(7, 16))
    angle, away = 2 * np.pi * rng.random(count), 13 * np.sqrt(rng.random(count))
    diameter = 0.46 + 0.18 * rng.random(count)
    return np.stack([away * np.sin(angle), away * np.cos(angle), diameter], axis=1)


def draw_vascular(rng: np.random.Generator) -> Float64:
    """A calcified artery: two parallel, interrupted lines of grains along a bent path."""
    along = np.linspace(-11, 11, 34)
    angle, bend, wave = 2 * np.pi * rng.random(), 0.02 * rng.standard_normal(), 2 * np.pi * rng.random()
    keep = rng.random((2, 34)) < 0.5 + 0.45 * np.sin(0.5 * along + wave)
    side = bend * along**2 + np.array([-1.0, 1.0])[:, None] * (0.9 + 0.4 * rng.random())
    spots = np.stack([np.broadcast_to(along, side.shape)[keep], side[keep]])
    spots = np.concatenate([spots, [[-9.0, 9.0], [0.0, 0.0]]], axis=1)  # never empty
    diameter = 0.32 + 0.18 * rng.random(spots.shape[1])
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([s * spots[0] + c * spots[1], c * spots[0] - s * spots[1], diameter], axis=1)


def draw_ring(rng: np.random.Generator) -> Float64:
    """A benign calcification with a clear centre: grains on a circle (oil cyst, eggshell)."""
    radius = 1.6 + 1.6 * rng.random()
    count = round(5.0 * radius)
    angle = 2 * np.pi * (np.arange(count) + 0.3 * rng.random(count)) / count
    diameter = 0.42 + 0.12 * rng.random(count)
    return np.stack([radius * np.sin(angle), radius * np.cos(angle), diameter], axis=1)
