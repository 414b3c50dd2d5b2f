"""Whether a patient has an effusion, judged from the words of her report."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.ladders import Observed
from medcourse.data.phantoms import REPORT_FINDINGS, reports

TARGET = "pleural effusion"
TERM = re.compile(r"\b(" + "|".join(sorted(REPORT_FINDINGS[TARGET], key=len, reverse=True)) + r")\b", re.IGNORECASE)
NEGATION = re.compile(r"\b(no|not|without|neither|nor|free of|negative for)\b", re.IGNORECASE)
DOUBT = re.compile(r"\b(possible|may|suspected|unclear|cannot)\b", re.IGNORECASE)
NAMES = [
    "named", "times_named", "negation_in_sentence", "negation_before", "words_since_negation", "doubt_in_sentence",
    "side_in_sentence", "size_in_sentence", "plural", "place_in_report", "negations_in_report", "words_in_report",
]  # fmt: skip


def observe(*, n: int, first: int, seed: int, difficulty: str | float) -> Observed:
    """Contrast: how often a term for effusion occurs. Ceiling: the log likelihood ratio of what is really said."""
    drawn = reports(n, first=first, seed=seed, difficulty=difficulty)
    said = drawn.table[TARGET].to_numpy()
    features = np.array([_features(text) for text in drawn.table["text"]])
    return Observed(
        label=drawn.table["truth"].to_numpy(),
        patient=drawn.table["patient"].to_numpy(),
        contrast=features[:, NAMES.index("times_named")],
        features=features,
        ceiling=cast("NDArray[np.float64]", _ratio(seed, difficulty).reindex(said).to_numpy()),
        names=NAMES,
    )


@lru_cache(maxsize=8)
def _ratio(seed: int, difficulty: str | float) -> pd.Series[float]:
    """Log likelihood ratio of each status, counted on other patients: the law is the generator's, not the reader's."""
    others = reports(3000, first=10_000_000, seed=seed, difficulty=difficulty).table
    counts = pd.crosstab(others[TARGET], others["truth"]) + 1
    return cast("pd.Series[float]", np.log(counts[1] / counts[0]))


def _features(text: str) -> NDArray[np.float64]:
    """Counts of words in the report and in the last sentence that names the target."""
    found = list(TERM.finditer(text))
    sentence, before, at = "", "", 0
    if found:
        at = found[-1].start()
        start = max(text.rfind(". ", 0, at) + 1, 0)
        sentence = text[start : text.find(".", at) + 1]
        before = text[start:at]
    denied = list(NEGATION.finditer(before))
    return np.array(
        [
            bool(found),
            len(found),
            len(NEGATION.findall(sentence)),
            len(denied),
            len(before[denied[-1].end() :].split()) if denied else 12,
            len(DOUBT.findall(sentence)),
            len(re.findall(r"\b(left|right|bilateral)\b", sentence)),
            len(re.findall(r"\b(small|moderate|large)\b", sentence)),
            any(match[0].lower().endswith("s") for match in found),
            at / len(text),
            len(NEGATION.findall(text)),
            len(text.split()),
        ],
        np.float64,
    )
