"""From tissues and contrast medium to pictures: relaxation, spoiled gradient echo, movement, coil, blur and noise."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._breast_mr_lesions import Lesion, draw_share
from medcourse.data.phantoms._breast_mr_scene import BASE, Breast, Float, Scene, chest_wall, grid
from medcourse.data.phantoms._tofts import HAEMATOCRIT
from medcourse.data.phantoms.kinetics import spoiled_gradient_echo

FIELD_MM = 160.0
RELAXIVITY = 4.97  # gadobutrol in plasma at 3 T, l/mmol/s
T1_MS = {"fat": 423.0, "gland": 1680.0, "muscle": 1400.0, "blood": 1660.0, "skin": 900.0}  # at 3 T
DENSITY = {"fat": 0.95, "gland": 0.9, "muscle": 0.8, "blood": 0.95, "skin": 0.7, "lesion": 0.9}
GAIN = 11.0  # puts enhanced lesions between about 0.4 and 0.9


class Curves(NamedTuple):
    """Contrast medium in each phase: in plasma, and in tissue for a Ktrans of 1 per minute."""

    plasma: NDArray[np.float64]
    gland: NDArray[np.float64]
    skin: NDArray[np.float64]
    muscle: NDArray[np.float64]
    lesions: NDArray[np.float64]


def image_signal(
    scene: Scene, breast: Breast, lesions: list[Lesion], curves: Curves, mask: NDArray[np.uint8], *,
    offset: float, spacing: float, parenchyma: float, fat: float,
) -> tuple[Float, list[tuple[int, float]]]:  # fmt: skip
    """Signal (phase, row, column) of a slice; the lesions' bodies go into `mask`; which are seen, with their radius."""
    water = {"gland": scene.gland, "muscle": scene.muscle, "blood": scene.blood, "skin": scene.skin}
    rate, magnetisation, whole = (np.zeros_like(scene.body) for _ in range(3))  # sums over a pixel's kinds of water
    for name, share in water.items():
        rate += share * np.float32(1000 / T1_MS[name])
        magnetisation += share * np.float32(DENSITY[name])
        whole += share
    shares = (
        (np.float32(parenchyma) * scene.gland * scene.spread, curves.gland),
        (np.float32(0.03) * scene.skin, curves.skin),
        (np.float32(0.035) * scene.muscle, curves.muscle),
        (np.float32(1 - HAEMATOCRIT) * scene.blood + np.float32(0.006) * scene.gland, curves.plasma),
    )
    medium = np.zeros((len(curves.plasma), *mask.shape), np.float32)  # mmol/l times the share of water
    for share, curve in shares:
        medium += curve[:, None, None].astype(np.float32) * share
    fatty = scene.fat.copy()
    seen = []
    for number, lesion in enumerate(lesions):
        drawn = draw_share(lesion, breast, offset, mask.shape[0], spacing)
        if drawn is None:
            continue
        box, share, uptake, body, radius = drawn
        rest, at = 1 - share, (slice(None), *box)
        tissue, plasma = (
            (factor * curve).astype(np.float32)[:, None, None]
            for factor, curve in ((lesion.ktrans, curves.lesions[number]), (lesion.vp, curves.plasma))
        )
        medium[at] = medium[at] * rest + share * (uptake * tissue + plasma)
        for image, value in (
            (rate, 1000 / lesion.t1_ms), (magnetisation, DENSITY["lesion"]), (whole, 1.0), (fatty, 0.0)
        ):  # fmt: skip
            image[box] = image[box] * rest + share * np.float32(value)
        if body.any():
            mask[box][body] = 2 if lesion.malignant else 1
            seen.append((number, radius))
    relaxation = np.maximum((rate + np.float32(RELAXIVITY) * medium) / np.maximum(whole, 1e-4), 0.05)
    signal = magnetisation * spoiled_gradient_echo(1000 / relaxation)
    signal += np.float32(DENSITY["fat"] * fat * float(spoiled_gradient_echo(T1_MS["fat"]))) * fatty
    return np.asarray(np.float32(GAIN) * signal, np.float32), seen


def move(signal: Float, breast: Breast, moves: NDArray[np.float64], spacing: float) -> Float:
    """Shift the breast against its first phase: by `moves` (phase, x and y in mm) at the nipple, by 0 at the wall."""
    x, y = grid(signal.shape[1], spacing)
    share = np.clip((chest_wall(breast, x) - y) / np.float32(BASE + breast.height), 0, 1.2) / spacing
    columns, rows = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in signal.shape[:0:-1]))
    out = np.empty_like(signal)
    for k, (right, down) in enumerate((moves - moves[0]).tolist()):
        if right == 0 and down == 0:
            out[k] = signal[k]
        else:
            at = columns - share * np.float32(right), rows - share * np.float32(down)
            out[k] = cv2.remap(signal[k], *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.maximum(out, 0)


def expose(
    rng: np.random.Generator, signal: Float, breast: Breast, scene: Scene, *, blur_px: float, noise: float
) -> Float:
    """Coil, ghosts of the beating heart along the rows, point spread, Rician noise: (row, column, phase)."""
    size = signal.shape[1]
    x, y = grid(size, FIELD_MM / size)
    strength, aside = breast.coil
    coil = np.exp(-np.float32(strength) * (y + 20) / 80 + np.float32(aside) * x / 80)
    image = np.empty((size, size, len(signal)), np.float32)
    for k, phase in enumerate(signal):
        beating = phase * scene.heart_rows
        ghosts = np.roll(beating, size // 4, axis=1) + np.roll(beating, -size // 4, axis=1)
        seen = coil * (phase + np.float32(0.05 * breast.ghost[k]) * ghosts)
        image[..., k] = cv2.GaussianBlur(seen, (0, 0), blur_px, borderType=cv2.BORDER_REPLICATE)
    real, imaginary = (rng.standard_normal(image.shape, dtype=np.float32) for _ in range(2))
    image += np.float32(noise) * real
    imaginary *= np.float32(noise)
    image *= image  # not OpenCV's magnitude: its last bit depends on where the array lies in memory
    imaginary *= imaginary
    image += imaginary
    return np.asarray(np.sqrt(image), np.float32)
