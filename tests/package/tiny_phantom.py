"""The smallest phantom that keeps the contract: a disc on noise. For tests of what all phantoms share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from medcourse.data.phantoms import Phantoms, Scanner, Site, Subgroup
from medcourse.data.phantoms._cohort import (
    ONE_GROUP,
    ONE_SITE,
    check_range,
    draw_all,
    draw_patients,
    patient_rng,
    record_labels,
)


def tiny(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    views: int = 2,
    size: int = 24,
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
    jobs: int = 1,
    progress: bool | None = None,
) -> Phantoms:
    check_range(views=(views, 1, 100), size=(size, 16, 4096))
    table, scanners = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups
    )
    rows = table.to_dict("records")
    calls = [(seed, row, scanner, views, size) for row, scanner in zip(rows, scanners, strict=True)]
    drawn = draw_all(_patient, calls, jobs=jobs, progress=progress)
    one_per_image = [row for rows, *_ in drawn for row in rows]
    images, masks = (np.concatenate([part[k] for part in drawn]) for k in (1, 2))
    lesions = [dict(lesion, image=views * k + lesion["image"]) for k, part in enumerate(drawn) for lesion in part[3]]
    columns = ["image", "patient", "row", "column", "radius_mm", "contrast"]
    recorded = record_labels(pd.DataFrame(one_per_image), label_noise=label_noise, seed=seed)
    anatomy = np.ones(masks.shape, np.uint8)
    return Phantoms(images, masks, recorded, (0.5, 0.5), pd.DataFrame(lesions, columns=columns), anatomy)


def _patient(seed: int, row: dict[str, Any], scanner: Scanner, views: int, size: int) -> tuple[Any, ...]:
    rng = patient_rng(seed, row["patient"])
    brightness, radius = rng.uniform(0.3, 0.5), rng.uniform(2.5, 4)
    down, right = np.indices((size, size))
    images, masks = np.empty((views, size, size, 1), np.float32), np.zeros((views, size, size), np.uint8)
    rows, lesions = [], []
    for view in range(views):
        centre = rng.uniform(0.3, 0.7, 2) * size
        noise = rng.standard_normal((size, size))
        contrast = 0.2 * row["amplitude"] * row["diseased"]
        body = np.hypot(down - centre[0], right - centre[1]) < radius
        scene = ndimage.gaussian_filter(brightness + contrast * body, scanner.blur)
        images[view, ..., 0] = scanner.offset + scanner.gain * (scene + 0.05 * scanner.noise * noise)
        strata = {name: row[name] for name in ("patient", "site", "scanner", "subgroup")}
        rows.append(
            strata | {"view": view, "truth": int(row["diseased"]), "amplitude": row["amplitude"], "bright": brightness}
        )
        if contrast > 0:
            masks[view] = body
            where = {"image": view, "patient": row["patient"], "row": centre[0], "column": centre[1]}
            lesions.append(where | {"radius_mm": radius / 2, "contrast": contrast})
    return rows, images, masks, lesions
