"""From contours to pictures: the signal of balanced SSFP, what lies around the heart, flow, coil, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._heart_shape import ANGLES, THETA, Heart

Float = NDArray[np.float32]

# Longitudinal and transverse relaxation at 1.5 T in ms, and proton density relative to blood.
RELAXATION = {
    "blood": (1580.0, 250.0, 1.0),
    "myocardium": (950.0, 52.0, 0.85),
    "muscle": (900.0, 40.0, 0.8),
    "fat": (300.0, 60.0, 0.9),
    "liver": (600.0, 45.0, 0.75),
    "stomach": (900.0, 110.0, 0.75),
    "marrow": (500.0, 60.0, 0.5),
    "lung": (1100.0, 40.0, 0.14),
}
FLIP, TR_MS = np.deg2rad(60.0), 3.2
BLOOD = 0.72  # grey level of blood at mid coil sensitivity
AIR, LUNG, FAT, MUSCLE, BLOOD_ELSEWHERE, LIVER, STOMACH, WALL, LEFT, RIGHT, PAPILLARY = range(11)


def bssfp(t1: float, t2: float, density: float, *, flip: float = FLIP, tr: float = TR_MS) -> float:
    """Steady-state signal on resonance, echo at half of TR (Scheffler and Lehnhardt 2003)."""
    e1, e2 = np.exp(-tr / t1), np.exp(-tr / t2)
    steady = np.sin(flip) * (1 - e1) / (1 - (e1 - e2) * np.cos(flip) - e1 * e2)
    return float(density * steady * np.exp(-tr / 2 / t2))


SIGNAL = {name: BLOOD * bssfp(*values) / bssfp(*RELAXATION["blood"]) for name, values in RELAXATION.items()}
SIGNAL["fat"] = -SIGNAL["fat"]  # fat and water are out of phase: their border is black


@dataclass(frozen=True)
class Chest:
    """What surrounds the heart; positions in mm from the middle of the chest section, x right, y down."""

    shift: tuple[float, float]  # where that middle lies in the picture
    centre: tuple[float, float]  # the left ventricle's axis at rest
    wall: tuple[float, float, float]  # direction, distance and curvature of the anterior chest wall
    fat: float
    liver: tuple[float, float, float]  # top, where, curvature of the dome
    stomach: tuple[float, float, float]  # x, y, radius
    gas: bool
    aorta: tuple[float, float, float]
    vessels: NDArray[np.float64]  # x, y, radius of the lung's
    coil: tuple[float, float]
    band: tuple[float, float, float]  # off-resonance across the picture, and its curvature
    breath: tuple[float, float]  # drift and phase of an imperfect breath-hold
    ghost: tuple[float, float, int]  # strength, phase, cycles
    jet: tuple[float, float]


def draw_chest(rng: np.random.Generator) -> Chest:
    """Draw the surroundings: always the same number of draws."""
    g = np.clip(rng.standard_normal(32), -2.2, 2.2)
    u = rng.random(8)
    vessels = rng.random((26, 3))
    direction = np.deg2rad(-127 + 7 * g[2])
    return Chest(
        shift=(float(np.clip(9 * g[20], -16, 16)), float(np.clip(8 * g[21], -14, 14))),
        centre=(float(11 + 4 * g[0]), float(3 + 4 * g[1])),
        wall=(float(direction), float(62 + 5 * g[3]), float(0.004 + 0.0008 * g[4])),
        fat=float(9 + 9 * u[0]),
        liver=(float(37 + 4 * g[5]), float(-22 + 6 * g[6]), float(0.006 + 0.001 * g[7])),
        stomach=(float(52 + 6 * g[8]), float(72 + 5 * g[9]), float(27 + 4 * g[10])), gas=bool(u[1] < 0.6),
        aorta=(float(60 + 4 * g[11]), float(32 + 5 * g[12]), float(10.5 + g[13])),
        vessels=np.stack([10 + 90 * vessels[:, 0], -80 + 140 * vessels[:, 1], 0.8 + 1.8 * vessels[:, 2] ** 3], axis=1),
        coil=(float(0.55 + 0.12 * g[14]), float(direction + 0.25 * g[15])),
        band=(float(0.9 + 0.25 * g[16]), float(2 * np.pi * u[2]), float(0.5 + 0.2 * g[17])),
        breath=(float(g[18]), float(2 * np.pi * u[3])),
        ghost=(float(0.06 * np.exp(0.4 * g[19])), float(2 * np.pi * u[4]), 1 + int(3 * u[5])),
        jet=(float(2 * np.pi * u[6]), float(0.3 + 0.12 * g[22])),
    )  # fmt: skip


def make_room(chest: Chest, around: NDArray[np.float64], centre: NDArray[np.float64]) -> Chest:
    """Move chest wall and diaphragm outward where a large heart would run into them.

    `around` is the outermost contour (frame, direction), `centre` its axis (frame, x and y) in the chest's middle.
    """
    x = centre[:, 0, None] + around * np.cos(THETA)
    y = centre[:, 1, None] + around * np.sin(THETA)
    direction, distance, bend = chest.wall
    distance += max(float(_beyond_wall(chest, x, y).max()) + 7, 0)
    top, where, curve = chest.liver
    top += max(float(_below_dome(chest, x, y).max()) - 2, 0)  # the heart rests on the diaphragm
    return replace(chest, wall=(direction, distance, bend), liver=(top, where, curve))


def _beyond_wall(chest: Chest, x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """How far a place lies outside the inner border of the anterior chest wall."""
    direction, distance, bend = chest.wall
    c, s = np.cos(direction), np.sin(direction)
    return np.asarray(c * (x - 8) + s * (y - 2) - distance + bend * (c * y - s * x) ** 2)


def _below_dome(chest: Chest, x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """How far a place lies under the diaphragm."""
    top, where, bend = chest.liver
    return np.asarray(y - (top + bend * (x - where) ** 2 / (1 + np.abs(x - where) / 60)))


@lru_cache(maxsize=8)
def grid(size: int, spacing: float) -> tuple[Float, Float]:
    """Horizontal and vertical place in mm of the pixels' centres, from the picture's centre."""
    axis = ((np.arange(size) - (size - 1) / 2) * spacing).astype(np.float32)
    return np.broadcast_to(axis[None, :], (size, size)).copy(), np.broadcast_to(axis[:, None], (size, size)).copy()


def _places(chest: Chest, size: int, spacing: float) -> tuple[Float, Float]:
    x, y = grid(size, spacing)
    return x - np.float32(chest.shift[0]), y - np.float32(chest.shift[1])


def _cover(distance: Float, spacing: float) -> Float:
    """Share of a pixel inside a border `distance` mm away (positive inside)."""
    cover: Float = np.clip(distance / np.float32(spacing) + np.float32(0.5), 0, 1)
    return cover


def surroundings(
    rng: np.random.Generator, chest: Chest, size: int, spacing: float, height: float
) -> tuple[Float, NDArray[np.uint8]]:
    """Signal and tissues of everything but the heart, `height` mm above mid level."""
    x, y = _places(chest, size, spacing)
    signal = np.full((size, size), SIGNAL["lung"], np.float32)
    tissue = np.full((size, size), LUNG, np.uint8)

    def paint(name: str, code: int, distance: Float) -> None:
        nonlocal signal
        signal += _cover(distance, spacing) * (np.float32(SIGNAL.get(name, 0.0)) - signal)
        tissue[distance > 0] = code

    for cx, cy, radius in chest.vessels:
        paint("blood", BLOOD_ELSEWHERE, (radius - np.hypot(x - cx, y - cy)).astype(np.float32))
    dome = _below_dome(chest, x, y) - 0.35 * height
    paint("fat", FAT, (dome + 3).astype(np.float32))
    paint("liver", LIVER, dome.astype(np.float32))
    sx, sy, radius = chest.stomach
    away = np.hypot((x - sx) / 1.15, y - sy - 0.3 * height)
    toward = np.arctan2(y - sy - 0.3 * height, x - sx)
    away = away * (1 + 0.06 * np.cos(2 * toward + sx) + 0.04 * np.cos(3 * toward + sy) + 0.012 * np.cos(7 * toward))
    paint("fat", FAT, (radius + 5 - away).astype(np.float32))
    paint("muscle", STOMACH, (radius - away).astype(np.float32))
    paint("stomach", STOMACH, (radius - 3 - away).astype(np.float32))
    if chest.gas:
        paint("gas", AIR, np.minimum(radius - 4 - away, sy - 4 - y).astype(np.float32))
    ax, ay, radius = chest.aorta
    paint("muscle", MUSCLE, (radius + 1.6 - np.hypot(x - ax, y - ay)).astype(np.float32))
    paint("blood", BLOOD_ELSEWHERE, (radius - np.hypot(x - ax, y - ay)).astype(np.float32))
    along = np.cos(chest.wall[0]) * y - np.sin(chest.wall[0]) * x
    out = _beyond_wall(chest, x, y)
    paint("fat", FAT, (out + 5).astype(np.float32))
    paint("muscle", MUSCLE, out.astype(np.float32))
    ribs = 4.2 - np.hypot((along % 34) - 17, (out - 6) * 1.35)
    paint("marrow", MUSCLE, ribs.astype(np.float32))
    paint("fat", FAT, (out - 13).astype(np.float32))
    paint("gas", AIR, (out - 13 - chest.fat).astype(np.float32))
    texture = cv2.GaussianBlur(rng.standard_normal((size, size), dtype=np.float32), (0, 0), 1.6 / spacing)
    signal *= 1 + np.float32(0.20 * 1.6 / spacing) * texture
    return signal, tissue


def shading(chest: Chest, size: int, spacing: float) -> Float:
    """Receive coil in front of the chest, times the dark bands where the field is off resonance."""
    x, y = _places(chest, size, spacing)
    strength, direction = chest.coil
    coil = np.exp(strength * (np.cos(direction) * x + np.sin(direction) * y) / 90)
    slope, toward, bend = chest.band
    turn = slope * (np.cos(toward) * x + np.sin(toward) * y) / 45 + bend * (x * x + y * y) / 45**2
    band = 1 - 0.75 * np.exp(-(((np.abs(turn) - np.pi) / 0.35) ** 2))
    return np.asarray(coil * band, np.float32)


def paint_heart(
    rng: np.random.Generator,
    heart: Heart,
    chest: Chest,
    contours: NDArray[np.float64],
    below: NDArray[np.float64],
    out: NDArray[np.float64],
    flow: NDArray[np.float64],
    centre: NDArray[np.float64],
    background: tuple[Float, NDArray[np.uint8]],
    spacing: float,
) -> tuple[Float, NDArray[np.uint8], NDArray[np.uint8]]:
    """Signed signal (frame, row, column), masks and tissues, with the heart's axis at `centre` (frame, x and y).

    `out` is the share of the stroke volume that has left, `flow` its rate of change relative to the fastest.
    """
    still, tissue = background
    size, frames = still.shape[0], len(out)
    signal = np.broadcast_to(still, (frames, size, size)).copy()
    tissues = np.broadcast_to(tissue, (frames, size, size)).copy()
    masks = np.zeros((frames, size, size), np.uint8)
    reach = float(contours.max()) + 2 * spacing
    middle = (size - 1) / 2
    low = np.clip(np.floor((centre.min(axis=0) - reach) / spacing + middle), 0, size).astype(int)
    high = np.clip(np.ceil((centre.max(axis=0) + reach) / spacing + middle) + 1, 0, size).astype(int)
    box = (slice(None), slice(low[1], high[1]), slice(low[0], high[0]))
    x, y = grid(size, spacing)
    dx = x[None, box[1], box[2]] - centre[:, 0, None, None].astype(np.float32)
    dy = y[None, box[1], box[2]] - centre[:, 1, None, None].astype(np.float32)
    flat = (frames, -1)
    radius, angle = cv2.cartToPolar(dx.reshape(flat), dy.reshape(flat))
    radius = radius.reshape(dx.shape)
    index = (angle.reshape(dx.shape) * np.float32(ANGLES / (2 * np.pi)) + np.float32(0.5)).astype(np.int32) % ANGLES
    index += (np.arange(frames, dtype=np.int32) * ANGLES)[:, None, None]
    tables = np.where(contours > 0.3 * spacing, contours, -1e3).astype(np.float32)
    inner, outer, right, free_wall, around = (np.take(table.ravel(), index) - radius for table in tables)

    texture = cv2.GaussianBlur(rng.standard_normal((size, size), dtype=np.float32), (0, 0), 2.2 / spacing)
    texture = texture[box[1], box[2]] * np.float32(2.2 / spacing)
    s, t, m = signal[box], tissues[box], masks[box]

    def lay(value: Float | np.floating[Any], distance: Float) -> None:
        cover = _cover(distance, spacing)
        np.subtract(value, s, out=work)
        np.multiply(work, cover, out=work)
        np.add(s, work, out=s)

    work = np.empty_like(s)
    blood, muscle = np.float32(SIGNAL["blood"]), np.float32(SIGNAL["myocardium"])
    lay(np.float32(SIGNAL["fat"]), around)
    lay(muscle, free_wall)
    lay(blood * (1 + np.float32(0.10) * texture), right)
    lay(muscle * (1 + np.float32(0.12) * texture), outer)
    pool = np.broadcast_to(blood * (1 + np.float32(0.06) * texture), s.shape).copy()
    _darken_by_flow(pool, chest, tables[0], flow, dx, dy, spacing)
    rough = np.float32(0.5) * np.exp(np.minimum(-inner, 0) / np.float32(2.5)) * np.clip(texture - np.float32(0.2), 0, 1)
    pool -= blood * rough  # trabeculae
    strings = _papillaries(pool, heart, tables[0], below, out, dx, dy, muscle, spacing)
    lay(pool, inner)

    ventricle = (below > 0.5)[:, None, None]
    t[around > 0] = FAT
    t[free_wall > 0] = MUSCLE
    t[right > 0] = BLOOD_ELSEWHERE
    t[(right > 0) & ventricle] = RIGHT
    t[outer > 0] = MUSCLE
    t[(outer > 0) & ventricle] = WALL
    t[inner > 0] = BLOOD_ELSEWHERE
    t[(inner > 0) & ventricle] = LEFT
    m[t == RIGHT] = 3
    m[t == WALL] = 2
    m[t == LEFT] = 1
    t[(t == LEFT) & strings] = PAPILLARY
    return signal, masks, tissues


def _darken_by_flow(
    pool: Float, chest: Chest, inner: Float, flow: NDArray[np.float64], dx: Float, dy: Float,
    spacing: float,
) -> None:  # fmt: skip
    """Fast blood loses signal: a dark jet where it runs, as fast as the volume changes."""
    direction, share = chest.jet
    for k in np.flatnonzero(np.abs(flow) > 0.05):
        radius = float(inner[k].mean())
        if radius > 3 * spacing:
            cx, cy = share * radius * np.cos(direction), share * radius * np.sin(direction)
            r2 = ((dx[k] - np.float32(cx)) ** 2 + (dy[k] - np.float32(cy)) ** 2) / np.float32((0.3 * radius) ** 2)
            pool[k] *= 1 - np.float32(0.5 * abs(flow[k])) * np.exp(-r2)


def _papillaries(
    pool: Float, heart: Heart, inner: Float, below: NDArray[np.float64], out: NDArray[np.float64],
    dx: Float, dy: Float, muscle: np.float32, spacing: float,
) -> NDArray[np.bool_]:  # fmt: skip
    """Put the two papillary muscles into the pool; they turn and draw inward with the wall."""
    inside = np.zeros(pool.shape, bool)
    radius = inner.mean(axis=1)
    for direction, share, size in heart.papillary:
        turn = heart.septum + direction + heart.twist * out
        at = share * radius
        wide = np.where((below > 0.5) & (radius > 8), np.minimum(size * (1 + 0.12 * out), 0.32 * radius), -1e3)
        cx, cy = at * np.cos(turn), at * np.sin(turn)
        distance = wide[:, None, None].astype(np.float32) - np.sqrt(
            (dx - cx[:, None, None].astype(np.float32)) ** 2 + (dy - cy[:, None, None].astype(np.float32)) ** 2
        )
        pool += _cover(distance, spacing) * (muscle - pool)
        inside |= distance > 0
    return inside


def expose(
    rng: np.random.Generator, signal: Float, shade: Float, chest: Chest, *, blur_px: float, noise: float, ghost: float
) -> Float:
    """Ghosts of what pulsates along the phase encoding (rows), point spread, and the magnitude of noisy signal."""
    frames, size = signal.shape[:2]
    signal = signal * shade
    strength, phase, cycles = chest.ghost
    if ghost > 0:
        mean = signal.mean(axis=0)
        wave = strength * ghost * np.cos(2 * np.pi * cycles * np.arange(frames) / frames + phase)
        signal = signal + wave[:, None, None].astype(np.float32) * np.roll(signal - mean, size // 3, axis=1)
    image = np.empty_like(signal)
    for k in range(frames):
        image[k] = cv2.GaussianBlur(signal[k], (0, 0), blur_px, borderType=cv2.BORDER_REPLICATE)
    real, imaginary = (rng.standard_normal(signal.shape, dtype=np.float32) for _ in range(2))
    image += np.float32(noise) * real
    imaginary *= np.float32(noise)
    image *= image  # not OpenCV's magnitude: its last bit depends on where the array lies in memory
    imaginary *= imaginary
    image += imaginary
    return np.asarray(np.sqrt(image), np.float32)
