"""Lesions of the breast: where they lie, their shape and rim, and how fast they take up contrast medium and lose it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._breast_mr_scene import BASE, Breast, Float, chest_wall, cover, grid, inside_breast

# Quantiles of kep per minute. Under Parker's arterial curve about 0.16 parts persistent curves from plateaus, and 0.54
# plateaus from wash-out: so the shares of the three types are those of Kuhl et al. 1999 (benign 83, 12 and 6 %,
# malignant 9, 34 and 57 %).
SHARES = {"benign": (0.0, 0.83, 0.945, 1.0), "malignant": (0.0, 0.089, 0.425, 1.0)}
RATES = {"benign": (0.04, 0.14, 0.54, 1.3), "malignant": (0.09, 0.165, 0.54, 1.8)}


@dataclass(frozen=True)
class Lesion:
    """One lesion; lengths in mm, rates per minute."""

    malignant: bool
    x: float
    y: float
    radius: float
    aspect: float
    turn: float
    lobes: NDArray[np.float64]  # relative size and direction of the second to sixth harmonics
    spicules: NDArray[np.float64]  # direction, length and width of each
    rim: float  # 0: even uptake, 1: none in the core
    ktrans: float
    kep: float
    vp: float
    t1_ms: float


def draw_lesion(
    rng: np.random.Generator, breast: Breast, *, amplitude: float, malignant: bool, others: list[Lesion]
) -> Lesion:
    """Draw a lesion; a malignant one differs from a benign one by `amplitude`. The draws are the same for both."""
    g = np.clip(rng.standard_normal(32), -2.2, 2.2)
    u = rng.random(16)
    spots = rng.random((60, 2))
    thorns = rng.random((14, 3))
    step = amplitude if malignant else 0.0

    def mixed(benign: float, other: float, low: float, high: float) -> float:
        return float(np.clip(benign + step * (other - benign), low, high))

    radius = 4.0 * (10.0 / 4.0) ** float(u[0])
    slow, fast = (float(np.interp(u[1], SHARES[kind], np.log(RATES[kind]))) for kind in ("benign", "malignant"))
    kep = float(np.exp(mixed(slow, fast, np.log(0.03), np.log(4.0))))
    ve = float(np.clip(0.42 * (kep / 0.12) ** -0.42 * np.exp(0.28 * g[0]), 0.05, 0.85))
    wavy = mixed(0.02 + 0.03 * abs(g[1]), 0.06 + 0.05 * abs(g[1]), 0, 0.25)
    harmonics = np.stack([g[2:7] * wavy / np.sqrt(np.arange(1, 6)), 2 * np.pi * u[2:7]], axis=1)
    thorny = mixed(float(u[7] < 0.08), float(u[7] < 0.55), 0, 1) * (0.4 + 0.8 * u[8])
    count = 6 + int(8 * u[9])
    spicules = np.stack(
        [2 * np.pi * thorns[:, 0], radius * (1 + thorny * (0.35 + 0.55 * thorns[:, 1])), 0.5 + 0.5 * thorns[:, 2]],
        axis=1,
    )[: count if thorny > 0.05 else 0]
    rim = mixed((0.15 + 0.4 * u[11]) * float(u[10] < 0.15), (0.35 + 0.5 * u[11]) * float(u[10] < 0.55), 0, 0.9)
    x, y = _place(breast, spots, radius, others)
    return Lesion(
        malignant=malignant and amplitude > 0, x=x, y=y, radius=radius, aspect=float(np.exp(0.14 * g[7])),
        turn=float(np.pi * u[12]), lobes=harmonics, spicules=spicules, rim=rim, ktrans=float(kep * ve), kep=kep,
        vp=float(0.015 + 0.006 * g[8]), t1_ms=float(1500 + 110 * g[9]),
    )  # fmt: skip


def reach(radius: float) -> float:
    """The farthest that a spicule of a lesion may go."""
    return 2.1 * radius


def _place(breast: Breast, spots: NDArray[np.float64], radius: float, others: list[Lesion]) -> tuple[float, float]:
    """The first of the drawn spots where the lesion lies in the breast and apart from others; else the deepest."""
    x = (1.6 * spots[:, 0] - 0.8) * breast.width
    y = BASE - (0.1 + 0.75 * spots[:, 1]) * breast.height
    points = x.astype(np.float32), y.astype(np.float32)
    skin = inside_breast(breast, *points) - (radius * 1.35 + 5)
    wall = chest_wall(breast, points[0]) - points[1] - (radius * 1.35 + 4)
    apart = [np.hypot(x - other.x, y - other.y) - 1.5 * (radius + other.radius) - 4 for other in others]
    room = np.min([skin, wall, *apart], axis=0)
    good = np.flatnonzero(room > 0)
    best = int(good[0]) if len(good) else int(room.argmax())
    return float(x[best]), float(y[best])


def draw_share(
    lesion: Lesion, breast: Breast, offset: float, size: int, spacing: float
) -> tuple[tuple[slice, slice], Float, Float, NDArray[np.bool_], float] | None:
    """The lesion in the slice `offset` mm away: box, share of pixels, uptake relative to the rim, body and radius."""
    height2 = 1 - (offset / lesion.radius) ** 2
    if height2 < 0.05:
        return None
    radius = lesion.radius * float(np.sqrt(height2))
    side = -1.0 if breast.mirrored else 1.0
    column, row = side * lesion.x / spacing + (size - 1) / 2, lesion.y / spacing + (size - 1) / 2
    half = reach(lesion.radius) / spacing + 2
    box = (
        slice(max(int(row - half), 0), min(int(row + half) + 2, size)),
        slice(max(int(column - half), 0), min(int(column + half) + 2, size)),
    )
    x, y = grid(size, spacing)
    dx, dy = x[box] * np.float32(side) - np.float32(lesion.x), y[box] - np.float32(lesion.y)
    c, s = np.float32(np.cos(lesion.turn)), np.float32(np.sin(lesion.turn))
    long, across = (c * dx + s * dy) / np.float32(lesion.aspect), (c * dy - s * dx) * np.float32(lesion.aspect)
    distance, angle = np.hypot(long, across), np.arctan2(across, long)
    border = np.full_like(distance, radius)
    for k, (share, direction) in enumerate(lesion.lobes.tolist()):
        border += np.float32(radius * share) * np.cos((k + 2) * angle - np.float32(direction))
    body = cover(border - distance, spacing)
    share = body.copy()
    for direction, length, width in lesion.spicules.tolist():
        along = np.cos(np.float32(direction)) * dx + np.sin(np.float32(direction)) * dy
        aside = np.abs(np.cos(np.float32(direction)) * dy - np.sin(np.float32(direction)) * dx)
        taper = np.float32(width) * np.clip(
            np.float32(1.15) - along / np.float32(length * radius / lesion.radius), 0, 1
        )
        np.maximum(share, cover(taper - aside, spacing) * (along > 0) * (taper > 0), out=share)
    inner = np.clip((distance / np.maximum(border, 1e-3) - np.float32(0.35)) / np.float32(0.45), 0, 1)
    uptake = 1 - np.float32(lesion.rim) * (1 - inner * inner * (3 - 2 * inner))
    return box, share, np.asarray(uptake, np.float32), np.asarray(border > distance), radius
