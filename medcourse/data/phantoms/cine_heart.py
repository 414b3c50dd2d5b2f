"""Cine magnetic resonance of the beating heart: short-axis films whose volume curve and ejection fraction are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    patient_rng,
    record_labels,
)
from medcourse.data.phantoms._heart_cycle import MID, emptied, systole_ms
from medcourse.data.phantoms._heart_image import draw_chest, expose, make_room, paint_heart, shading, surroundings
from medcourse.data.phantoms._heart_shape import Heart, contours, draw_heart, volumes

__all__ = ["cine_hearts", "ventricular_volumes"]

FIELD_MM = 170


def cine_hearts(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    frames: int = 20,
    slices: int = 1,
    slice_mm: float = 10.0,
    size: int = 96,
    spacing_mm: float = 1.8,
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
    dilation: float = 0.1,
    level_variation: float = 0.27,
    respiration_mm: float = 1.5,
    flow: float = 1.0,
    noise: float = 0.07,
    jobs: int = 1,
    progress: bool | None = None,
) -> Phantoms:
    """Draw short-axis cine films of beating hearts, some of them with a reduced ejection fraction.

    Parameters
    ----------
    n, seed, first
        Number of patients, the seed, and the first patient's number; patient k is the same in every draw.
    frames
        Pictures of one heartbeat, at equal steps from the R wave, which is end diastole.
    slices
        Films of a patient, from the apex to the base, `slice_mm` apart and centred on the ventricle; each is a
        breath-hold of its own. With 1 (the default), the film shows the ventricle at 0.6 of its length.
    slice_mm
        Slice thickness, and the distance from one slice to the next.
    size, spacing_mm
        Rows and columns of a picture, and the size of a pixel.
    difficulty
        "easy", "medium", "hard", or how much function the disease takes, relative to medium: the ejection fraction
        is ``healthy * (reduced / healthy) ** amplitude``, with `reduced` at most 40 %; at 0 nothing is taken.
    prevalence, sites, subgroups, label_noise
        Who is ill, seen where, and how often the record is wrong. `Subgroup.contrast` scales the loss of function.
    dilation
        How much larger the end-diastolic volume is (as a share) in a heart that has lost half of its function.
    level_variation
        Standard deviation of what mid level contracts more, or less, than the whole ventricle, as a share: what one
        slice cannot know.
    respiration_mm
        Standard deviation of the position of a breath-hold, and of the drift during it.
    flow
        Factor on the ghosts of pulsating blood; 0 switches them off.
    noise
        Standard deviation of the noise in each of the two channels; blood is about 0.7.
    jobs, progress
        Processes, and whether a bar is drawn.

    Returns
    -------
    Phantoms
        `images` are (films, frames, rows, columns, 1); `masks` (films, frames, rows, columns): 1 left ventricle with
        its papillary muscles, 2 its myocardium, 3 right ventricle. `anatomy`, of the same shape: 0 air, 1 lung,
        2 fat, 3 muscle, 4 other blood, 5 liver, 6 stomach, 7 myocardium, 8 left ventricle, 9 right ventricle,
        10 papillary muscle. `spacing_mm` is (row, column). `lesions` has a row for each film that shows the muscle of
        a diseased ventricle; `contrast` is the loss of ejection fraction, in points.
        The table's columns besides the common ones: `slice`, `height_mm` above the cavity's apex, `edv_ml`, `esv_ml`,
        `ejection_fraction` (in %), `heart_rate`, `systole` (share of the cycle), `early_filling` (share of the E wave
        in the filling before and by the atrium), `length_mm` and `shortening` of the long axis, `level` (what mid
        level contracts more than the whole), `myocardium_ml`, `rv_area_change`, `akinesia` (0 to 1: missing share of
        motion in a part of the wall, as frequent in the healthy) with `akinesia_angle`, `centre_row` and
        `centre_column` (of the ventricle at rest, in pixels), `ed_frame` and `es_frame`.
        `ventricular_volumes` gives the volume in every frame.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or the picture is too small for a heart.

    Notes
    -----
    The cavity is a bullet of volume 5/6 · area · length (Nielsen et al. 2010, doi:10.1111/j.1540-8175.2009.01120.x);
    the muscle keeps its volume, so the wall thickens as it shortens. Normal volumes and masses follow Kawel-Boehm et
    al. 2015, doi:10.1186/s12968-015-0111-7; an ejection fraction of at most 40 % is reduced, one of at least 50 %
    preserved (Bozkurt et al. 2021, doi:10.1002/ejhf.2115). At "hard" the disease is mild, and may leave 41 to 49 %.
    Signal: balanced SSFP (Scheffler and Lehnhardt 2003, doi:10.1007/s00330-003-1957-x), magnitude with Rician noise.
    Size of the heart, heart rate, the right ventricle and a part of the wall that hardly moves do not tell the class.
    Taught in: 5.2.3 Image sequences.

    Examples
    --------
    >>> hearts = cine_hearts(2, frames=16, size=64, spacing_mm=2.7)
    >>> hearts.images.shape
    (2, 16, 64, 64, 1)
    >>> bool((hearts.table["esv_ml"] < hearts.table["edv_ml"]).all())
    True
    """
    check_range(
        frames=(frames, 4, 200),
        slices=(slices, 1, 60),
        slice_mm=(slice_mm, 0.5, 20),
        size=(size, 32, 1024),
        spacing_mm=(spacing_mm, 0.3, 6),
        dilation=(dilation, 0, 0.5),
        level_variation=(level_variation, 0, 0.4),
        respiration_mm=(respiration_mm, 0, 4),
        flow=(flow, 0, 5),
        noise=(noise, 0, 2),
    )
    if size * spacing_mm < FIELD_MM:
        field = f"{size} · {spacing_mm:g} = {size * spacing_mm:.0f} mm"
        raise ValueError(
            f"size={size}: a field of {field} cuts the heart; give size · spacing_mm of {FIELD_MM} mm or more"
        )
    patients = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups
    )
    settings = _Settings(
        seed, frames, slices, slice_mm, size, spacing_mm, dilation, level_variation, respiration_mm, flow, noise
    )
    columns = patients.table
    calls = [
        (int(k), bool(ill), float(amplitude), scanner, settings)
        for k, ill, amplitude, scanner in zip(
            columns["patient"], columns["diseased"], columns["amplitude"], patients.scanners, strict=True
        )
    ]
    films = draw_all(_draw, calls, jobs=jobs, progress=progress)
    rows = [row for film in films for row in film.rows]
    hers = columns.rename(columns={"diseased": "truth"}).astype({"truth": np.int64})
    table = hers.loc[hers.index.repeat(slices)].reset_index(drop=True)
    table = pd.concat([table, pd.DataFrame(rows)], axis=1)
    masks = np.concatenate([film.masks for film in films])
    return Phantoms(
        np.concatenate([film.images for film in films])[..., None],
        masks,
        record_labels(table, label_noise=label_noise, seed=seed),
        (spacing_mm, spacing_mm),
        _lesions(table, masks, spacing_mm),
        np.concatenate([film.tissues for film in films]),
    )


def ventricular_volumes(table: pd.DataFrame, *, frames: int) -> NDArray[np.float64]:
    """Volume of the left ventricle in each frame, from the columns of `cine_hearts`' table.

    Parameters
    ----------
    table
        Rows with `edv_ml`, `ejection_fraction`, `heart_rate` and `early_filling`.
    frames
        Number of equal steps in the heartbeat, from the R wave on.

    Returns
    -------
    ndarray of float64, shape (rows, frames)
        Volume in ml.

    Raises
    ------
    ValueError
        If `frames` is below 1.

    Notes
    -----
    Taught in: 5.2.3 Image sequences.

    Examples
    --------
    >>> hearts = cine_hearts(2, size=64, spacing_mm=2.7)
    >>> curve = ventricular_volumes(hearts.table, frames=20)
    >>> bool((curve.argmin(axis=1) == hearts.table["es_frame"]).all())
    True
    """
    check_range(frames=(frames, 1, 10**6))
    edv, share, rate, early = (
        table[name].to_numpy(np.float64)[:, None]
        for name in ("edv_ml", "ejection_fraction", "heart_rate", "early_filling")
    )
    curve: NDArray[np.float64] = edv * (1 - share / 100 * emptied(np.arange(frames) / frames, rate=rate, early=early))
    return curve


class _Settings(NamedTuple):
    seed: int
    frames: int
    slices: int
    slice_mm: float
    size: int
    spacing_mm: float
    dilation: float
    level_variation: float
    respiration_mm: float
    flow: float
    noise: float


class _Films(NamedTuple):
    images: NDArray[np.float32]
    masks: NDArray[np.uint8]
    tissues: NDArray[np.uint8]
    rows: list[dict[str, Any]]


def _draw(patient: int, ill: bool, amplitude: float, scanner: Scanner, settings: _Settings) -> _Films:
    rng = patient_rng(settings.seed, patient)
    heart = draw_heart(
        rng,
        diseased=ill,
        amplitude=amplitude,
        dilation=settings.dilation,
        level_variation=settings.level_variation,
    )
    chest = draw_chest(rng)
    frames, slices, size, spacing = settings.frames, settings.slices, settings.size, settings.spacing_mm
    phase = np.arange(frames) / frames
    rate, early = heart.rate, heart.early
    out = emptied(phase, rate=rate, early=early)
    steps = (emptied(phase + 0.02, rate=rate, early=early) - emptied(phase - 0.02, rate=rate, early=early)) / 0.04
    shape = (slices, frames, size, size)
    images, masks, tissues = (np.empty(shape, dtype) for dtype in (np.float32, np.uint8, np.uint8))
    shade = shading(chest, size, spacing)
    volume, _ = volumes(heart, phase)
    hold = settings.respiration_mm * np.clip(rng.standard_normal((slices, 2)), -2, 2)
    beat = np.stack([-1.2 * out, -0.8 * out], axis=1) + chest.centre
    beat[:, 1] += settings.respiration_mm * chest.breath[0] * np.sin(np.pi * (phase - 0.5) + 0.3 * chest.breath[1])
    widest, _ = contours(heart, phase, MID * heart.length, settings.slice_mm)
    chest = make_room(chest, widest[-1], beat)
    rows = []
    for k in range(slices):
        height = MID * heart.length
        if slices > 1:
            height = heart.length / 2 + (k - (slices - 1) / 2) * settings.slice_mm
        centre = beat + chest.shift + hold[k] * (0.4, 1.0)
        edges, below = contours(heart, phase, height, settings.slice_mm)
        around = surroundings(rng, chest, size, spacing, height - MID * heart.length)
        signal, masks[k], tissues[k] = paint_heart(
            rng, heart, chest, edges, below, out, steps / 6, centre, around, spacing
        )
        images[k] = expose(
            rng, signal, shade, chest, blur_px=1.1 * scanner.blur / spacing, noise=settings.noise * scanner.noise,
            ghost=settings.flow,
        )  # fmt: skip
        rows.append(_row(heart, k, height, volume, centre[0] / spacing + (size - 1) / 2))
    images *= np.float32(scanner.gain)
    images += np.float32(scanner.offset)
    return _Films(images, masks, tissues, rows)


def _row(
    heart: Heart, k: int, height: float, volume: NDArray[np.float64], centre: NDArray[np.float64]
) -> dict[str, Any]:
    return {
        "slice": k,
        "height_mm": height,
        "edv_ml": heart.edv,
        "esv_ml": heart.edv * (1 - heart.ejection),
        "ejection_fraction": 100 * heart.ejection,
        "lost_points": heart.loss,
        "heart_rate": heart.rate,
        "systole": float(systole_ms(heart.rate)) * heart.rate / 60000,
        "early_filling": heart.early,
        "length_mm": heart.length,
        "shortening": heart.shortening,
        "level": heart.level,
        "myocardium_ml": heart.wall,
        "rv_area_change": heart.rv_change,
        "akinesia": heart.akinesia,
        "akinesia_angle": float(np.rad2deg(heart.akinesia_at)),
        "centre_row": float(centre[1]),
        "centre_column": float(centre[0]),
        "ed_frame": int(volume.argmax()),
        "es_frame": int(volume.argmin()),
    }


def _lesions(table: pd.DataFrame, masks: NDArray[np.uint8], spacing_mm: float) -> pd.DataFrame:
    ill = (table["truth"] == 1) & (table["amplitude"] > 0) & (masks == 2).any(axis=(1, 2, 3))
    rows = table[ill]
    muscle = (masks[rows.index.to_numpy(), 0] == 2).sum(axis=(1, 2)) * spacing_mm**2
    return pd.DataFrame(
        {
            "image": rows.index.to_numpy(np.int64),
            "patient": rows["patient"].to_numpy(),
            "kind": ["global hypokinesia"] * len(rows),
            "row": rows["centre_row"].to_numpy(),
            "column": rows["centre_column"].to_numpy(),
            "area_mm2": muscle.astype(np.float64),
            "contrast": rows["lost_points"].to_numpy(),
        }
    )
