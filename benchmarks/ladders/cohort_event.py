"""Death within three years, foretold from what is known at diagnosis."""

from __future__ import annotations

from typing import cast

import numpy as np

from benchmarks.ladders import Observed
from medcourse.data.phantoms import cohorts

CLINICAL = ("age", "sex", "pack_years", "haemoglobin", "image_score", "treatment")
BLOCKS = ("G001", "G021", "G041")  # the first gene of a block stands for its programme


def observe(*, n: int, first: int, seed: int, difficulty: str | float) -> Observed:
    """Contrast: the stage alone. Ceiling: the true log hazard, the treatment's effect included."""
    cohort = cohorts(n, first=first, seed=seed, difficulty=difficulty)
    table = cohort.table
    # A chart review without knowledge of the causal genes: clinical columns and the mean expression of three blocks.
    blocks = {name: cohort.genes.iloc[:, k : k + 20].mean(axis=1) for name, k in zip(BLOCKS, (0, 20, 40), strict=True)}
    columns = {name: table[name] for name in CLINICAL} | {"log_crp": np.log(table["crp"])}
    columns |= {f"stage_{k}": table["stage"] == k for k in (2, 3, 4)}
    columns |= {f"mean_expression_{name}": value for name, value in blocks.items()}
    effect = cast("float", cohort.coefficients.loc["treatment", "log_hazard_ratio"])
    return Observed(
        label=table["truth"].to_numpy(),
        patient=table["patient"].to_numpy(),
        contrast=table["stage"].to_numpy(np.float64),
        features=np.column_stack([np.asarray(value, np.float64) for value in columns.values()]),
        ceiling=(cohort.truth["log_hazard"] + table["amplitude"] * effect * table["treatment"]).to_numpy(),
        names=list(columns),
    )
