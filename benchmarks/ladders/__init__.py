"""Observer ladders: how hard each phantom's task is, for observers that no network was trained to be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Observed(NamedTuple):
    """Scores of one draw of a task: one row for each image that is judged.

    `label` is 0 or 1 (the truth), `patient` who it is from; `contrast` one number that needs no training;
    `features` (rows, k) what a logistic regression is trained on with other patients, `names` their k names;
    `ceiling` the score of the strongest reference observer.
    """

    label: NDArray[np.int64]
    patient: NDArray[np.int64]
    contrast: NDArray[np.float64]
    features: NDArray[np.float64]
    ceiling: NDArray[np.float64]
    names: list[str]
