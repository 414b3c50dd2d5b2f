"""One woman's breast in axial magnetic resonance: outline, gland, chest wall, vessels; lengths in mm.

Axes: x to the right of the picture, y down; the breast points up, its base lies at y = BASE.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

Float = NDArray[np.float32]

BASE = 34.0
AIR, FAT, GLAND, MUSCLE, VESSEL = range(5)
SKIN_MM = 2.2


@dataclass(frozen=True)
class Breast:
    """What is drawn once for each patient."""

    width: float  # half the base
    height: float
    lean: float
    power: float
    wall: tuple[float, float]  # curvature and tilt of the chest wall
    subcutaneous: float
    pectoral: float
    density: float  # 0 to 1: almost all fat to extremely dense
    parenchyma: float  # Ktrans of the gland, per minute
    mirrored: bool
    heart: tuple[float, float, float]
    coil: tuple[float, float]
    vessels: NDArray[np.float64]  # start and end angle, depths and width of each
    ghost: NDArray[np.float64]  # sign and strength in each phase


def draw_breast(rng: np.random.Generator, phases: int) -> Breast:
    """Draw a patient: always the same number of draws for the same number of phases."""
    g = np.clip(rng.standard_normal(16), -2.2, 2.2)
    u = rng.random(8)
    return Breast(
        width=float(60 + 4 * g[0]), height=float(76 + 8 * g[1]), lean=float(0.10 * g[2]),
        power=float(2.3 + 0.15 * g[3]), wall=(float(0.0022 + 0.0004 * g[4]), float(0.05 * g[5])),
        subcutaneous=float(9 + 2 * g[6]), pectoral=float(10 + 2.2 * g[7]), density=float(u[0]),
        parenchyma=float(0.004 * np.exp(np.log(9) * u[1])), mirrored=bool(u[2] < 0.5),
        heart=(float(46 + 6 * g[8]), float(92 + 5 * g[9]), float(42 + 4 * g[10])),
        coil=(float(0.30 + 0.08 * g[11]), float(0.15 * g[12])),
        vessels=rng.random((4, 6)), ghost=rng.standard_normal(phases),
    )  # fmt: skip


@lru_cache(maxsize=8)
def grid(size: int, spacing: float) -> tuple[Float, Float]:
    """Horizontal and vertical place in mm of the pixels' centres."""
    axis = ((np.arange(size) - (size - 1) / 2) * spacing).astype(np.float32)
    return np.broadcast_to(axis[None, :], (size, size)).copy(), np.broadcast_to(axis[:, None], (size, size)).copy()


def chest_wall(breast: Breast, x: Float) -> Float:
    """Height y of the pectoral muscle's front."""
    bend, tilt = breast.wall
    wall: Float = (BASE + bend * x * x + tilt * x).astype(np.float32)
    return wall


def inside_breast(breast: Breast, x: Float, y: Float) -> Float:
    """Distance to the skin, roughly in mm: positive in the breast, above or below its base alike."""
    rise = (BASE - y) / np.float32(breast.height)
    across = np.abs(x - np.float32(breast.lean * breast.height) * np.maximum(rise, 0)) / np.float32(breast.width)
    level = (across**breast.power + np.abs(np.maximum(rise, 0)) ** 2.0) ** np.float32(1 / 2.1)
    slope = np.float32(0.5 * (breast.width + breast.height))
    distance: Float = (1 - level) * slope
    return distance


def texture(rng: np.random.Generator, size: int, spacing: float, exponent: float, count: int) -> Float:
    """Power-law fields of standard deviation 1."""
    white = rng.standard_normal((count, size, size), dtype=np.float32)
    fields: Float = fft.irfft2(
        fft.rfft2(white, workers=1) * _filter(size, spacing, exponent), s=(size, size), workers=1
    )
    fields /= fields.std(axis=(1, 2), keepdims=True)
    return fields


@lru_cache(maxsize=8)
def _filter(size: int, spacing: float, exponent: float) -> Float:
    radial = np.hypot(fft.fftfreq(size, spacing)[:, None], fft.rfftfreq(size, spacing)[None, :])
    radial[0, 0] = np.inf
    low = radial**2 + (1 / 60) ** 2  # no structure larger than 60 mm
    amplitude: Float = np.where(np.isfinite(radial), low ** (-exponent / 4), 0).astype(np.float32)
    return amplitude


def cover(distance: Float, spacing: float) -> Float:
    """Share of a pixel inside a border `distance` mm away (positive inside)."""
    share: Float = np.clip(distance / np.float32(spacing) + np.float32(0.5), 0, 1)
    return share


@dataclass(frozen=True)
class Scene:
    """Shares of each pixel: fat and water of kinds; `spread` modulates the gland's uptake."""

    body: Float
    fat: Float
    gland: Float
    skin: Float
    muscle: Float
    blood: Float
    spread: Float
    tissues: NDArray[np.uint8]
    heart_rows: Float


def draw_scene(breast: Breast, fields: Float, offset: float, size: int, spacing: float) -> Scene:
    """The slice `offset` mm from the middle one; `fields` are two textures for the gland and one for its uptake."""
    x, y = grid(size, spacing)
    if breast.mirrored:
        x = -x
    wall = chest_wall(breast, x)
    depth = inside_breast(breast, x, y)
    trunk = y - (wall - np.float32(breast.subcutaneous))
    outline = np.maximum(depth, np.minimum(trunk, np.float32(200)))
    body = cover(outline, spacing)
    skin = body * (1 - cover(outline - np.float32(SKIN_MM), spacing))
    behind = y - wall
    pectoral = cover(behind, spacing) * cover(np.float32(breast.pectoral) - behind, spacing)
    inner = behind - np.float32(breast.pectoral + 2)
    ribs = cover(inner, spacing) * cover(np.float32(13) - inner, spacing) * (0.55 + 0.35 * np.sin(x / 9 + 2))
    lung = cover(inner - np.float32(13), spacing)
    hx, hy, radius = breast.heart
    heart = np.float32(radius) - np.hypot(x - np.float32(hx), (y - np.float32(hy)) * np.float32(1.1))
    chamber = cover(heart - 9, spacing) * lung
    myocardium = cover(heart, spacing) * lung - chamber
    turn = np.arctan(np.float32(offset / 12))
    pattern = np.cos(turn) * fields[0] + np.sin(turn) * fields[1]
    rise = (np.float32(BASE) - y) / np.float32(breast.height)
    cone = 1.15 - 1.9 * (np.abs(x) / np.float32(breast.width)) ** 1.6 - 1.7 * np.abs(rise - 0.42) ** 1.4
    share = cone * 1.9 + 1.0 * pattern - np.float32(1.55 - 2.1 * breast.density)
    gland = 1 / (1 + np.exp(-3.2 * share))
    gland *= cover(depth - np.float32(SKIN_MM + 4.5), spacing) * cover(-behind - 3, spacing)
    nipple = cover(
        4.5 - np.hypot(x - np.float32(breast.lean * breast.height), y - np.float32(BASE - breast.height + 3)), spacing
    )
    skin = np.maximum(skin, nipple)
    body = np.maximum(body, nipple)
    blood = _vessels(breast, depth, spacing)
    mammary = [np.hypot(x + np.float32(58 + 5 * k), y - np.float32(BASE + 26 + 3 * k)) for k in range(2)]
    blood = np.maximum(blood, np.maximum(cover(1.7 - mammary[0], spacing), cover(1.5 - mammary[1], spacing)))
    blood = np.maximum(blood, chamber)
    muscle = np.maximum(pectoral + ribs * (1 - pectoral), myocardium) * (1 - blood)
    rest = body * (1 - blood) * (1 - skin) * (1 - cover(behind, spacing))
    water = gland * rest
    tissues = np.zeros((size, size), np.uint8)
    tissues[body > 0.5] = FAT
    tissues[(water > 0.5) | ((skin > 0.5) & (body > 0.5))] = GLAND
    tissues[behind > 0] = MUSCLE
    tissues[(lung > 0.5) & (chamber + myocardium < 0.5)] = AIR
    tissues[blood > 0.5] = VESSEL
    pad = cover(behind, spacing) * (1 - pectoral) * (1 - ribs) * (1 - lung)
    edge = 1.3 - 0.6 * np.clip(depth / 30, 0, 1)  # the border of the gland takes up more: its arteries come from there
    spread = np.clip(edge * (0.75 + 0.45 * fields[2]), 0.05, 2.5)
    return Scene(
        body, rest * (1 - gland) + pad, water, skin * (1 - blood), muscle, blood, spread.astype(np.float32), tissues,
        (chamber + myocardium).astype(np.float32),
    )  # fmt: skip


def _vessels(breast: Breast, depth: Float, spacing: float) -> Float:
    """Pieces of veins under the skin and of arteries towards the gland, as a slice meets them: thin arcs."""
    size = depth.shape[0]
    drawn = np.zeros((size, size), np.uint8)
    shift, sign = (size - 1) / 2, -1.0 if breast.mirrored else 1.0
    for k, (a, b, c, d, e, f) in enumerate(breast.vessels.tolist()):
        start = 0.75 * a
        t = np.linspace(start, start + 0.12 + 0.3 * b * b, 16)
        angle = np.pi * (0.08 + 0.5 * t + 0.15 * (d - 0.5))
        if c < 0.5:
            angle = np.pi - angle
        inward = 0.45 * t if k >= 2 else 0.10 * t  # the last two run to the gland
        share = 0.93 - 0.06 * e - inward + 0.03 * np.sin(8 * t + 6 * f)
        px = sign * breast.width * share * np.cos(angle) + sign * breast.lean * breast.height * share * np.sin(angle)
        py = BASE - breast.height * share * np.sin(angle)
        points = np.round((np.stack([px, py], axis=1) / spacing + shift) * 16).astype(np.int32)
        bright = int(255 * np.clip((0.3 + 0.4 * f) / spacing, 0.15, 0.6))
        cv2.polylines(drawn, [points], False, bright, max(1, round(1.3 / spacing)), cv2.LINE_AA, 4)
    soft = drawn.astype(np.float32) / 255
    return np.asarray(soft * cover(depth - np.float32(SKIN_MM + 1), spacing), np.float32)
