"""What both mammogram ladders share: marked regions of left CC views, the tissue's covariance, banks of signals.

A region is what a reader sees round a mark in the 256-pixel picture: 48 × 48 pixels, 37.5 mm. In half of the patients
the mark is on a lesion, in the others on what mimics one, in breasts of any density.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from medcourse.data.phantoms import _mammogram_image as image
from medcourse.data.phantoms._cohort import ONE_GROUP, ONE_SITE, Scanner, draw_patients
from medcourse.data.phantoms._fields import frequency, power_law
from medcourse.data.phantoms._mammogram_shape import FIELD_MM, draw_shape

Float = NDArray[np.float64]
SIZE, HALF, INNER = 256, 24, 17
MM = FIELD_MM / SIZE
BLUR_MM, NOISE, EXPONENT = 0.25, 0.01, 3.0  # the defaults of `mammograms`


class Regions(NamedTuple):
    """Marked regions: `picture` less fat's grey, (m, 48, 48); `noise` the quantum noise's deviation in grey, (m,).

    `facts` says of each what the reference observers are told: the diameter, spiculation and peak of the mass that
    may be there, and which mimic may be there instead; `amplitude` is the difficulty's.
    """

    picture: Float
    raw: Float
    noise: Float
    label: NDArray[np.int64]
    patient: NDArray[np.int64]
    facts: list[dict[str, Any]]
    amplitude: float


def settings(kind: str) -> image.Settings:
    """The settings of `mammograms` for one view and one kind of lesion."""
    return image.Settings(
        size=SIZE, views=("L-CC",), density=None, lesions=(kind,), spiculation=None, exponent=EXPONENT, structure=1.0,
        distractors=1.0, blur_mm=BLUR_MM, noise=NOISE,
    )  # fmt: skip


def regions(*, n: int, first: int, seed: int, difficulty: str | float, kind: str) -> Regions:
    """Draw the regions of patients `first` to ``first + n - 1``: cut from the same pictures as `mammograms` gives."""
    given = settings(kind)
    patients = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=0.5, sites=ONE_SITE, subgroups=ONE_GROUP
    ).table
    amplitude = float(patients["amplitude"].iloc[0])
    found, raw, levels, told = [], [], [], []
    for patient, ill in patients[["patient", "diseased"]].itertuples(index=False):
        hers = image.plan(patient, seed, given)
        parts = image.layers(patient, seed, "L-CC", hers, given)
        finding = np.float32(amplitude) * (parts.lesion if ill else parts.mimic)
        grey = image.expose(parts, finding, settings=given, scanner=Scanner())
        raw.append(cut(grey, parts.facts["mark"]))
        found.append(raw[-1] - cut(np.float32(image.FAT_GREY) * parts.share, parts.facts["mark"]))
        attenuation = np.median(found[-1]) * image.LATITUDE + image.FAT_PER_MM * parts.facts["thickness_mm"]
        levels.append(NOISE / MM / image.LATITUDE * np.exp((attenuation - image.REFERENCE) / 2))
        mass = {name: float(hers["mass"][name]) for name in ("diameter", "spiculation", "peak")}
        told.append({"mimic": parts.facts["mimic"], **mass})
    label = patients["diseased"].to_numpy().astype(np.int64)
    at = patients["patient"].to_numpy()
    return Regions(np.array(found), np.array(raw), np.array(levels), label, at, told, amplitude)


def cut(layer: NDArray[np.float32], mark: tuple[float, float]) -> Float:
    """The region round a mark given in mm; what lies outside the picture is its mirror image."""
    row, column = (round(at / MM - 0.5) for at in mark)
    padded = np.pad(layer, HALF, mode="reflect")
    return padded[row : row + 2 * HALF, column : column + 2 * HALF].astype(np.float64)


def tissue_spectrum(size: int) -> Float:
    """Power spectrum of blurred tissue of standard deviation 1 on `size` pixels, as scipy.fft lays it out."""
    transfer = np.exp(-2 * (np.pi * BLUR_MM * frequency(size, MM)) ** 2)
    power: Float = (power_law(size, MM, EXPONENT) * transfer) ** 2
    unit: Float = power / power.mean()
    return unit


def tissue_covariance() -> tuple[Float, Float]:
    """Covariance between the inner 34 × 34 pixels: of tissue of standard deviation 1, and of a free mean and slope."""
    lag = fft.ifft2(tissue_spectrum(4 * INNER)).real
    axis = np.arange(2 * INNER)
    rows, columns = (index.ravel() for index in np.meshgrid(axis, axis, indexing="ij"))
    tissue = lag[abs(rows[:, None] - rows), abs(columns[:, None] - columns)]
    trend = np.stack([np.ones(len(rows)), rows - rows.mean(), columns - columns.mean()])
    return tissue, 25 * trend.T @ trend


def inner(regions_of: Float) -> Float:
    """The inner 34 × 34 pixels of regions, one row each."""
    part = slice(HALF - INNER, HALF + INNER)
    return regions_of[:, part, part].reshape(len(regions_of), -1)


def signals(kind: str, count: int, diameter: float, *, seed: int) -> tuple[dict[str, Float], Float]:
    """Lesions and mimics without tissue, in grey at amplitude 1, drawn from the phantom's laws for other patients.

    Returns them by name, each (count or fewer, 34 * 34), with the mass's peak factor at 1, and the lesions'
    spiculation.
    """
    given = settings(kind)
    drawn: dict[str, list[Float]] = {"lesion": []}
    spiculation = []
    for k in range(count):
        hers = image.plan(k, seed, given) | {"side": "L", "reach": 0.5, "aside": np.zeros(2), "depth": 130.0}
        hers["mass"] = hers["mass"] | {"diameter": np.array(diameter), "peak": np.array(1.0)}
        shape = draw_shape(np.random.default_rng(0), depth=130, projection="CC", thickness=52, skin=1.4)
        facts, lesion, mimic, _ = image.marked(np.random.default_rng([seed, 4, k]), shape, "L-CC", hers, given)
        spiculation.append(float(hers["mass"]["spiculation"]))
        for name, layer in (("lesion", lesion), (facts["mimic"], mimic)):
            soft = cv2.GaussianBlur(layer / np.float32(image.LATITUDE), (0, 0), BLUR_MM / MM)
            drawn.setdefault(name, []).append(inner(cut(cast("NDArray[np.float32]", soft), facts["mark"])[None])[0])
    return {name: np.array(found) for name, found in drawn.items()}, np.array(spiculation)


def disc(inner_mm: float, outer_mm: float) -> NDArray[np.bool_]:
    """Pixels of a region between two distances from the mark."""
    axis = (np.arange(2 * HALF) - HALF) * MM
    away = np.hypot(axis[:, None], axis[None, :])
    ring: NDArray[np.bool_] = (away >= inner_mm) & (away < outer_mm)
    return ring
