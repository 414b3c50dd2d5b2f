"""Whole mammograms with known truth: both breasts, two projections each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medcourse.data.phantoms import _mammogram_image as image
from medcourse.data.phantoms import _mammogram_lesions as things
from medcourse.data.phantoms._cohort import (
    ONE_GROUP,
    ONE_SITE,
    Phantoms,
    Scanner,
    Site,
    Subgroup,
    check_range,
    draw_all,
    draw_patients,
    record_labels,
)
from medcourse.data.phantoms._mammogram_image import VIEWS, Settings
from medcourse.data.phantoms._mammogram_shape import FIELD_MM, Float
from medcourse.data.phantoms._mammogram_tissue import CLASSES

__all__ = ["mammograms"]

_KINDS = ("mass", "calcifications")
_LESION_COLUMNS = [
    "image", "patient", "kind", "row", "column", "size_mm", "contrast", "nipple_mm", "spiculation", "margin",
    "spicules", "grains",
]  # fmt: skip


class _Drawn(NamedTuple):
    images: Float
    masks: NDArray[np.uint8]
    anatomy: NDArray[np.uint8]
    rows: list[dict[str, Any]]
    lesions: list[dict[str, Any]]


def mammograms(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    views: Sequence[str] = VIEWS,
    size: int = 256,
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
    density: str | None = None,
    lesions: Sequence[str] = _KINDS,
    spiculation: float | None = None,
    exponent: float = 3.0,
    structure: float = 1.0,
    distractors: float = 1.0,
    blur_mm: float = 0.25,
    noise: float = 0.01,
    jobs: int = 1,
    progress: bool | None = None,
) -> Phantoms:
    """Draw the mammograms of `n` patients: by default both breasts, each from above (CC) and obliquely (MLO).

    A patient with the disease has one lesion in one breast, seen in every view of that breast. Every other picture
    holds at the same kind of place something ordinary that resembles it, and all may hold lymph nodes, calcified
    arteries, overlapping tissue and single benign grains.

    Parameters
    ----------
    n
        How many patients.
    seed
        Same seed and settings, same patients.
    first
        Index of the first patient: patient k is the same for every `n` and `first`.
    views
        Of "L-CC", "L-MLO", "R-CC" and "R-MLO", those that are taken, in the order of the images.
    size
        Rows and columns of a picture that is 200 mm square, 64 to 2048 pixels. Table and lesions do not depend on it.
    difficulty
        "easy", "medium", "hard", or the lesions' amplitude relative to medium. What mimics them scales alike.
    prevalence
        Share of patients with a lesion.
    sites, subgroups
        Where they are imaged, and who they are.
    label_noise
        Share of images whose `label` is wrong, or a pair: of the positives, and of the negatives.
    density
        "a" to "d" draws all breasts in that class of density; None draws them as in screening.
    lesions
        Of "mass" and "calcifications", those that occur.
    spiculation
        0 (round) to 1 (many long spicules) for all masses; None draws it. Above 0.4 the margin is spiculated.
    exponent
        β of the tissue's power spectrum 1/f^β, 1 to 4.5.
    structure
        Strength of strands, ligaments and ducts; 0 leaves a Gaussian texture.
    distractors
        Factor on how many nodes, arteries, lumps and benign grains there are besides the mimic; at least 0.
    blur_mm
        Standard deviation of the point spread at the detector.
    noise
        Standard deviation of the exposure behind a breast of reference, relative to it, for 1 mm² of detector.
    jobs
        Processes that draw; -1 takes all cores.
    progress
        Whether a bar is shown; None shows one to people.

    Returns
    -------
    Phantoms
        `images` float32 (images, rows, columns, 1), 0 (air) to 1; `masks`: 1 mass (its body), 2 microcalcifications;
        `anatomy`: 0 air, 1 fatty breast, 2 glandular tissue, 3 pectoral muscle, 4 skin and nipple; `spacing_mm`.
        `table`, one row per image: `patient`, `image`, `view`, `side`, `site`, `scanner`, `subgroup`, `diseased` (the
        patient), `truth` (a lesion in this picture), `label`, `amplitude`; `density`, `glandular_share` (of the
        breast's area without skin and muscle), `depth_mm` (chest wall to nipple), `thickness_mm`; `nipple_row`,
        `nipple_column`; and what a reader would mark: `mark`, `mark_row`, `mark_column`, where `mark` is a lesion
        ("mass", "calcifications") or what mimics it ("lump", "crossing", "lymph node"; "scattered", "vascular",
        "ring").
        `lesions`, one row per lesion and image: `image`, `patient`, `kind`, `row`, `column`, `size_mm` (diameter),
        `contrast` (in grey before the blur: at the centre of a mass, where its margin is not obscured; of the median
        grain of calcifications, if it lies in one pixel),
        `nipple_mm` (distance from the nipple), `spiculation`, `margin`, `spicules`, `grains`.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Notes
    -----
    With attenuation A per pixel, the exposure is exp(-A) of that in air; its quantum noise has a variance
    proportional to it. The grey level is (A - A_fat)/1.5 + 0.24 t/T, with A_fat fat's attenuation at the local
    thickness t, T the compressed thickness: as for reading, the thickness is equalised. Fat, normal and cancerous
    tissue attenuate as 1 : 1.50 : 1.665 (Carroll et al. 1994, Invest. Radiol. 29:266-272). Tissue: power law (Burgess
    et al. 2001, Med. Phys. 28:419-437), made non-Gaussian, as breasts are (Abbey et al. 2012,
    doi:10.1118/1.4761869), by strands and ducts that are filtered to the same law. Density classes: 43.3 % of women
    are dense (Sprague et al. 2014, doi:10.1093/jnci/dju255).
    Taught in: 7.1 Breast lesions in mammograms.

    Examples
    --------
    >>> phantoms = mammograms(2, views=("L-CC", "L-MLO"), size=128)
    >>> phantoms.images.shape
    (4, 128, 128, 1)
    >>> (phantoms.table["truth"] == phantoms.masks.any(axis=(1, 2))).all()
    np.True_
    """
    settings = _checked(
        views, size, density, lesions, spiculation, exponent, structure, distractors, blur_mm, noise,
    )  # fmt: skip
    patients = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups
    )
    records: list[dict[str, Any]] = [
        {str(key): value for key, value in row.items()} for row in patients.table.to_dict("records")
    ]
    calls = [(row, scanner, seed, settings) for row, scanner in zip(records, patients.scanners, strict=True)]
    drawn = draw_all(_draw_patient, calls, jobs=jobs, progress=progress)
    table = pd.DataFrame([row for one in drawn for row in one.rows])
    found = [
        {**lesion, "image": k * len(settings.views) + lesion["image"]}
        for k, one in enumerate(drawn)
        for lesion in one.lesions
    ]
    return Phantoms(
        np.concatenate([one.images for one in drawn]),
        np.concatenate([one.masks for one in drawn]),
        record_labels(table, label_noise=label_noise, seed=seed),
        (FIELD_MM / size, FIELD_MM / size),
        pd.DataFrame(found, columns=_LESION_COLUMNS),
        np.concatenate([one.anatomy for one in drawn]),
    )


def _checked(
    views: Sequence[str],
    size: int,
    density: str | None,
    lesions: Sequence[str],
    spiculation: float | None,
    exponent: float,
    structure: float,
    distractors: float,
    blur_mm: float,
    noise: float,
) -> Settings:
    check_range(
        size=(size, 64, 2048),
        exponent=(exponent, 1, 4.5),
        structure=(structure, 0, 10),
        distractors=(distractors, 0, 5),
        blur_mm=(blur_mm, 0, 10),
        noise=(noise, 0, 1),
        spiculation=(0.0 if spiculation is None else spiculation, 0, 1),
    )
    _check_names("views", views, VIEWS)
    _check_names("lesions", lesions, _KINDS)
    if density is not None and density not in CLASSES:
        raise ValueError(f"density={density!r} is no class: give one of {', '.join(CLASSES)}, or None to draw it")
    return Settings(
        size=size,
        views=tuple(views),
        density=density,
        lesions=tuple(lesions),
        spiculation=spiculation,
        exponent=float(exponent),
        structure=float(structure),
        distractors=float(distractors),
        blur_mm=float(blur_mm),
        noise=float(noise),
    )


def _check_names(name: str, given: Sequence[str], known: Sequence[str]) -> None:
    if isinstance(given, str) or not given or not set(given) <= set(known) or len(set(given)) < len(given):
        raise ValueError(f"{name}={given!r}: give a tuple of one or more of {', '.join(known)}, each once")


def _draw_patient(row: Mapping[str, Any], scanner: Scanner, seed: int, settings: Settings) -> _Drawn:
    hers = image.plan(row["patient"], seed, settings)
    size, count = settings.size, len(settings.views)
    images = np.empty((count, size, size, 1), np.float32)
    masks, anatomy = np.zeros((count, size, size), np.uint8), np.empty((count, size, size), np.uint8)
    rows, lesions = [], []
    for k, view in enumerate(settings.views):
        parts = image.layers(row["patient"], seed, view, hers, settings)
        ill = bool(row["diseased"]) and view[0] == hers["side"]
        amplitude = float(row["amplitude"])
        finding = np.float32(amplitude) * (parts.lesion if ill else parts.mimic)
        grey = image.expose(parts, finding, settings=settings, scanner=scanner)
        turned = slice(None, None, -1 if view[0] == "R" else 1)
        images[k, ..., 0], anatomy[k] = grey[:, turned], parts.anatomy[:, turned]
        if ill and amplitude > 0:
            masks[k] = parts.mask[:, turned]
            lesions.append({"image": k, **_lesion(hers, parts.facts, amplitude, scanner, settings, view)})
        rows.append(_row(row, k, view, hers, parts.facts, ill, settings))
    return _Drawn(images, masks, anatomy, rows, lesions)


def _pixel(point: tuple[float, float], view: str, size: int) -> tuple[float, float]:
    """Row and column, in pixels, of a point in mm from the corner of the left breast's picture."""
    row, column = (at * size / FIELD_MM - 0.5 for at in point)
    return float(row), float(size - 1 - column if view[0] == "R" else column)


def _row(
    row: Mapping[str, Any],
    k: int,
    view: str,
    hers: Mapping[str, Any],
    facts: Mapping[str, Any],
    ill: bool,
    settings: Settings,
) -> dict[str, Any]:
    mark, nipple = (_pixel(facts[name], view, settings.size) for name in ("mark", "nipple"))
    return {
        "patient": row["patient"],
        "image": k,
        "view": view,
        "side": view[0],
        **{name: row[name] for name in ("site", "scanner", "subgroup", "diseased")},
        "truth": int(ill),
        "amplitude": row["amplitude"],
        "density": hers["density"],
        "glandular_share": float(facts["glandular_share"]),
        "depth_mm": facts["depth_mm"],
        "thickness_mm": facts["thickness_mm"],
        "nipple_row": nipple[0],
        "nipple_column": nipple[1],
        "mark": facts["kind"] if ill else facts["mimic"],
        "mark_row": mark[0],
        "mark_column": mark[1],
    }


def _lesion(
    hers: Mapping[str, Any],
    facts: Mapping[str, Any],
    amplitude: float,
    scanner: Scanner,
    settings: Settings,
    view: str,
) -> dict[str, Any]:
    mass, grains, is_mass = hers["mass"], facts["grains"], facts["kind"] == "mass"
    spiculation = float(mass["spiculation"])
    if is_mass:
        size_mm, height = float(mass["diameter"]), facts["peak"]
    else:
        size_mm = 2 * float(np.hypot(grains[:, 0], grains[:, 1]).max())
        volume = math.pi / 6 * float(np.median(grains[:, 2])) ** 3
        height = things.CALCIUM * image.CALCIUM_AMPLITUDE * volume * (settings.size / FIELD_MM) ** 2
    row, column = _pixel(facts["mark"], view, settings.size)
    return {
        "patient": hers["patient"],
        "kind": facts["kind"],
        "row": row,
        "column": column,
        "size_mm": size_mm,
        "contrast": amplitude * scanner.gain * height / image.LATITUDE,
        "nipple_mm": facts["nipple_mm"],
        "spiculation": spiculation if is_mass else np.nan,
        "margin": things.MARGINS[int(mass["margin"])] if is_mass else "",
        "spicules": things.spicule_count(spiculation) if is_mass else 0,
        "grains": len(grains),
    }
