"""From a patient's plan to her mammograms: what she is, what is in each projection, what the detector sees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms import _mammogram_lesions as things
from medcourse.data.phantoms import _mammogram_tissue as tissue
from medcourse.data.phantoms._cohort import Scanner, patient_rng
from medcourse.data.phantoms._mammogram_shape import (
    FIELD_MM,
    Float,
    Shape,
    draw_shape,
    fits,
    grids,
    muscle_depth,
    place,
    roundness,
    skin_distance,
)

VIEWS = ("L-CC", "L-MLO", "R-CC", "R-MLO")
FAT_PER_MM = 0.045  # linear attenuation of fat, 1/mm, at mammography's energies
GLAND_PER_MM = 1.5 * FAT_PER_MM  # fat : normal tissue : cancer as 1 : 1.50 : 1.665 (Carroll 1994)
LATITUDE = 1.5  # natural logarithms of exposure that the grey levels 0 to 1 span
FAT_GREY = 0.24  # of fat at full thickness: what is left of its attenuation after the thickness is equalised
MASS_GREY = 0.13  # mean peak of a mass at medium difficulty
CALCIUM_AMPLITUDE = 1.3  # of the grains' attenuation at medium difficulty
REFERENCE = FAT_PER_MM * 52 + 0.35  # natural logarithm of the attenuation behind the reference breast
_MIMICS = {"mass": ("lump", "crossing", "lymph node"), "calcifications": ("scattered", "vascular", "ring")}


@dataclass(frozen=True)
class Settings:
    """What all patients of a draw share."""

    size: int
    views: tuple[str, ...]
    density: str | None
    lesions: tuple[str, ...]
    spiculation: float | None
    exponent: float
    structure: float
    distractors: float
    blur_mm: float
    noise: float


class Layers(NamedTuple):
    """One mammogram, drawn as the left breast, before the detector: each float32 (rows, columns) unless said.

    `tissue` is the attenuation above that of fat of the same thickness, `share` the thickness's share of the
    compressed thickness; `lesion` and `mimic` are what may be marked, in the same unit, for amplitude 1: one is put in.
    """

    tissue: Float
    share: Float
    lesion: Float
    mimic: Float
    mask: NDArray[np.uint8]
    anatomy: NDArray[np.uint8]
    white: Float
    facts: dict[str, Any]


def plan(patient: int, seed: int, settings: Settings) -> dict[str, Any]:
    """Draw what a patient is: density, size and thickness of her breasts, where and what her lesion would be."""
    rng = patient_rng(seed, patient)
    u = rng.random(14)
    density = tissue.CLASSES[int(np.searchsorted(np.cumsum(tissue.SHARES)[:-1], u[0], side="right"))]
    density = settings.density or density
    low, high = tissue.GLANDULAR[density]
    depth = {"a": 106.0, "b": 98.0, "c": 90.0, "d": 82.0}[density] + 13 * float(rng.standard_normal())
    sides = sorted({view[0] for view in settings.views})
    kinds = settings.lesions
    return {
        "patient": patient,
        "density": density,
        "glandular": low + (high - low) * u[1],
        "depth": float(np.clip(depth, 58, 140)),
        "thickness": float(np.clip(52 + 10 * rng.standard_normal(), 30, 80)),
        "skin": 1.0 + 0.8 * u[2],
        "side": sides[int(u[3] * len(sides))],
        "kind": kinds[int(u[4] * len(kinds))],
        "with_grains": len(kinds) == 2 and u[5] < 0.2,
        "reach": 0.25 + 0.5 * (u[6] + u[7]) / 2 + 0.1 * u[8],  # share of the depth
        "aside": 0.25 + 0.5 * rng.standard_normal(2),  # angle from the nipple's axis, upwards, CC and MLO
        "mass": things.draw_mass_shape(rng, settings.spiculation),
        "cluster": things.draw_cluster(rng),
        "node": bool(u[9] < 0.2 * settings.distractors),
        "node_at": (0.55 + 0.25 * u[10], 0.55 + 0.35 * u[11]),
        "artery": bool(u[12] < 0.12 * settings.distractors),
        "artery_at": (0.35 + 0.4 * u[13], float(0.5 * rng.standard_normal())),
    }


def layers(patient: int, seed: int, view: str, hers: Mapping[str, Any], settings: Settings) -> Layers:
    """Draw one projection of one breast of a patient planned by `plan`."""
    size, projection = settings.size, view[2:]
    common = np.random.default_rng([seed, 3, patient, 10 + ("CC", "MLO").index(projection)])  # both breasts
    rng = np.random.default_rng([seed, 3, patient, VIEWS.index(view)])  # this picture
    shape = draw_shape(
        common, depth=hers["depth"], projection=projection, thickness=hers["thickness"] + 4 * (projection == "MLO"),
        skin=hers["skin"],
    )  # fmt: skip
    facts, lesion, mimic, mask = marked(rng, shape, view, hers, settings)
    extra = np.zeros((size, size), np.float32)
    _others(rng, shape, hers, settings, extra)

    y, x = grids(shape, size)
    distance = skin_distance(shape, y, x)
    pixel = np.float32(FIELD_MM / size)
    cover = np.clip(distance / pixel + np.float32(0.5), 0, 1)
    share = roundness(shape, distance) * cover
    inside = muscle_depth(shape, y, x)
    muscle = np.clip(inside / 3 + np.float32(0.5), 0, 1) * cover if shape.muscle else np.zeros_like(cover)

    lines = tissue.draw_curves(tissue.curves(common, shape) + tissue.curves(rng, shape), shape, size)
    white = common.standard_normal((size, size), dtype=np.float32) + rng.standard_normal((size, size), dtype=np.float32)
    gauss, drawn = tissue.fields(white * np.float32(math.sqrt(0.5)), lines, settings.exponent)
    breast = (distance > shape.skin) & (inside < 0)
    drawn *= np.float32(settings.structure / max(float(drawn[breast].std()), 1e-12))
    cone = tissue.envelope(shape, size, distance)
    level = np.float32(0.75) * cone + np.float32(0.45) * gauss + np.float32(0.6) * drawn
    level -= np.float32(tissue.threshold(level[breast], hers["glandular"]))
    fine = np.maximum(drawn - cv2.GaussianBlur(drawn, (0, 0), 4 * size / FIELD_MM), 0)
    dense = np.float32(0.75) * np.tanh(np.float32(0.30 / 0.75) * tissue.softplus(level, 0.25))
    gland = np.float32(0.04) + dense + np.float32(0.22) * fine
    gland = np.clip(gland, 0, 1) * (1 - np.float32(0.75) * muscle)

    fibre = np.float32((GLAND_PER_MM - FAT_PER_MM) * shape.thickness)
    attenuation = fibre * gland * share
    attenuation += fibre * muscle * share * (np.float32(0.25) + np.float32(0.30) * np.clip(inside / 45, 0, 1))
    shell = np.clip((np.float32(shape.skin) - distance) / pixel + np.float32(0.5), 0, 1)
    nipple = (x > shape.depth - shape.skin) & (np.abs(y) < shape.nipple)  # is skin throughout
    shell[nipple] = 0.8
    attenuation += np.float32(0.16) * shell * cover  # the skin, seen edge on
    attenuation += extra * (distance > shape.skin + 1)

    anatomy = np.zeros((size, size), np.uint8)
    anatomy[distance > 0] = 1
    anatomy[breast & (level > 0)] = 2
    anatomy[(distance > 0) & (inside > 0)] = 3
    anatomy[(distance > 0) & (nipple | (distance <= max(shape.skin, float(pixel))))] = 4
    tissues = np.bincount(anatomy.ravel(), minlength=5)
    facts |= {
        "depth_mm": shape.depth,
        "thickness_mm": shape.thickness,
        "glandular_share": tissues[2] / max(1, tissues[1] + tissues[2]),
        "nipple": (shape.nipple_y, shape.depth),
    }
    detector = rng.standard_normal((size, size), dtype=np.float32)
    return Layers(attenuation, share, lesion, mimic, mask, anatomy, detector, facts)


def expose(parts: Layers, finding: Float, *, settings: Settings, scanner: Scanner) -> Float:
    """The grey picture of the tissue with `finding` in it: blur, quantum noise, display, gain and offset."""
    thickness = FAT_PER_MM * parts.facts["thickness_mm"]
    grey = np.float32(FAT_GREY) * parts.share + (parts.tissue + finding) / np.float32(LATITUDE)
    sigma = settings.blur_mm * scanner.blur * settings.size / FIELD_MM
    if sigma > 0:
        grey = cv2.GaussianBlur(grey, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    attenuated = (grey - np.float32(FAT_GREY) * parts.share) * np.float32(LATITUDE) + np.float32(
        thickness
    ) * parts.share
    # Photons per pixel are proportional to exp(-attenuation); the logarithm's deviation is one over their root.
    relative = settings.noise * scanner.noise * settings.size / FIELD_MM
    grey += np.float32(relative / LATITUDE) * np.exp((attenuated - np.float32(REFERENCE)) / 2) * parts.white
    shown: Float = np.clip(np.float32(scanner.gain) * grey + np.float32(scanner.offset), 0, 1)
    return shown


def marked(
    rng: np.random.Generator, shape: Shape, view: str, hers: Mapping[str, Any], settings: Settings
) -> tuple[dict[str, Any], Float, Float, NDArray[np.uint8]]:
    """Draw the lesion that may be in this picture and the mimic that may stand in its place."""
    size, side = settings.size, int(view[2:] == "MLO")
    own = view[0] == hers["side"]
    reach = hers["reach"] * hers["depth"] + 2.5 * float(np.clip(rng.standard_normal(), -2, 2))
    angle = float(np.clip(hers["aside"][side], -1.1, 1.1))
    u = rng.random(8)
    elsewhere = (0.25 + 0.5 * (u[0] + u[1]) / 2 + 0.1 * u[2]) * hers["depth"], 0.25 + 0.5 * float(rng.standard_normal())
    kind = hers["kind"]
    radius = float(hers["mass"]["diameter"]) / 2
    grains = things.project(hers["cluster"], view[2:])
    margin = max(1.35 * radius, float(np.hypot(grains[:, 0], grains[:, 1]).max()) + 1)
    if not own:  # a mimic of the other breast has its own place in each projection: it is no thing, but a sum
        reach, angle = elsewhere[0], float(np.clip(elsewhere[1], -1.1, 1.1))
    y, x = place(shape, reach, angle, margin)
    at = {"y": y + shape.nipple_y, "x": x}
    lesion, mimic = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    mask = np.zeros((size, size), np.uint8)
    sight, scattered, vascular, ring = (
        things.draw_mass_view(rng), things.draw_scattered(rng), things.draw_vascular(rng), things.draw_ring(rng),
    )  # fmt: skip
    peak = MASS_GREY * LATITUDE * float(hers["mass"]["peak"])
    if kind == "mass":
        mask[things.add_mass(lesion, hers["mass"], sight, **at, peak=peak)] = 1
    if kind == "calcifications" or hers["with_grains"]:
        mask[things.add_grains(lesion, grains, **at, amplitude=CALCIUM_AMPLITUDE)] = 2
    mimic_kind = _MIMICS[kind][0 if u[3] < 0.4 else 1 if u[3] < 0.8 else 2]
    draw_mimic(mimic, mimic_kind, u, peak, radius, at, (scattered, vascular, ring))
    facts = {
        "kind": kind,
        "mimic": mimic_kind,
        "mark": (at["y"], at["x"]),
        "nipple_mm": math.hypot(y, x - shape.depth),
        "margin_mm": margin,
        "grains": grains if kind == "calcifications" or hers["with_grains"] else grains[:0],
        "peak": peak,
    }
    return facts, lesion, mimic, mask


def draw_mimic(
    mimic: Float, kind: str, u: NDArray[np.float64], peak: float, radius: float, at: dict[str, float], grains: Any
) -> None:
    turn = 2 * math.pi * u[4]
    if kind == "lump":
        things.add_lump(mimic, **at, peak=1.05 * peak, sigma=0.75 * radius, stretch=1 + 0.35 * u[5], angle=turn)
    elif kind == "crossing":
        angles = turn + np.array([0, 0.7 + 0.7 * u[5], 1.6 + 0.8 * u[6]])
        sag = 0.02 * (2 * u[5:8] - 1)
        things.add_crossing(mimic, **at, peak=1.25 * peak, angles=angles, width=0.28 * radius, sag=sag)
    elif kind == "lymph node":
        things.add_node(mimic, **at, peak=1.3 * peak, length=8 + 5 * u[5], angle=turn, hilum=0.6 + 0.3 * u[6])
    else:
        beads = grains[_MIMICS["calcifications"].index(kind)]
        things.add_grains(mimic, beads, **at, amplitude=CALCIUM_AMPLITUDE)


def _others(rng: np.random.Generator, shape: Shape, hers: Mapping[str, Any], settings: Settings, extra: Float) -> None:
    """Add what every woman may have, ill or not, at every difficulty: nodes, arteries, lumps, single grains."""
    lumps, grains = rng.poisson(1.2 * settings.distractors), rng.poisson(1.5 * settings.distractors)
    u = rng.random((max(lumps, grains, 1), 6))
    beads = things.draw_vascular(rng)
    for row in u[:lumps].tolist():
        y, x = place(shape, (0.25 + 0.55 * row[0]) * shape.depth, 2.2 * (row[1] - 0.5), 6)
        things.add_lump(
            extra, y=y + shape.nipple_y, x=x, peak=0.09 * (0.4 + row[2]), sigma=3 + 3 * row[3],
            stretch=1 + 0.4 * row[4], angle=math.pi * row[5],
        )  # fmt: skip
    for row in u[:grains].tolist():
        y, x = place(shape, (0.2 + 0.65 * row[5]) * shape.depth, 2.2 * (row[4] - 0.5), 2)
        things.add_grains(
            extra, np.array([[0.0, 0.0, 0.4 + 0.4 * row[3]]]), y=y + shape.nipple_y, x=x, amplitude=CALCIUM_AMPLITUDE
        )
    if hers["artery"]:
        share, angle = hers["artery_at"]
        y, x = place(shape, share * shape.depth, float(np.clip(angle, -1.1, 1.1)), 12)
        if fits(shape, y, x, 2):
            things.add_grains(extra, beads, y=y + shape.nipple_y, x=x, amplitude=0.9 * CALCIUM_AMPLITUDE)
    if hers["node"]:
        share, angle = hers["node_at"]
        y, x = place(shape, share * shape.depth, angle, 6)
        things.add_node(extra, y=y + shape.nipple_y, x=x, peak=0.16, length=7.5, angle=1.0 + float(u[0, 0]), hilum=0.8)
