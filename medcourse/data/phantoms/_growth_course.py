"""One patient's tumours: growth laws, their response to treatment, and what a reader measures of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms import _recist as recist
from medcourse.data.phantoms._cohort import Scanner

Float = NDArray[np.float64]

LAWS = ("exponential", "logistic", "gompertz")
ORGANS = ("lung", "liver", recist.NODE, "adrenal gland", "soft tissue")
SHARES = (0.38, 0.27, 0.20, 0.07, 0.08)
CAPACITY_MM3 = 5e5  # a sphere of 98 mm
VISIBLE_MM = 2.5  # smaller lesions are gone for every reader
DEFAULT_MM = 5.0  # RECIST 1.1: what is seen but too small to measure is written down as 5 mm
NODE_TISSUE_MM = 6.0  # short axis of the node without tumour
MAX_LESIONS, MAX_VISITS = 10, 60
SPREAD_DAYS = 450.0  # new lesions come between a quarter of this and this


class Settings(NamedTuple):
    """What `follow_up` hands to every patient."""

    seed: int
    visits: int
    interval_days: float
    irregularity: float
    law: str
    lesions: tuple[int, int]
    responders: float
    flares: float
    error: float
    reader_bias: tuple[float, ...]
    change_reader: float


class Tumours(NamedTuple):
    """One patient's lesions at the baseline, one entry each, and how they live."""

    organs: list[str]
    volume: Float
    elongation: Float
    resistant: Float
    halving: Float
    doubling: Float
    flare: Float
    flare_day: float
    onset: Float  # day at which it is first visible; −inf for those of the baseline


def grown(volume: Float, days: Float, law: str, rate: Float | float, capacity: float) -> Float:
    """Closed solutions of V' = rV, rV(1 − V/K) and rV log(K/V)."""
    if law == "exponential":
        result: Float = volume * np.exp(rate * days)
    elif law == "logistic":
        result = capacity / (1 + (capacity / volume - 1) * np.exp(-rate * days))
    else:
        result = capacity * (volume / capacity) ** np.exp(-rate * days)
    return result


def rate_of(law: str, volume: Float, doubling: Float) -> Float:
    """Rate at which a tumour of this volume begins to grow as if it doubled in the given time; 0 for inf."""
    pace = np.log(2) / doubling
    if law == "exponential":
        even: Float = np.asarray(pace)
        return even
    brake = 1 - volume / CAPACITY_MM3 if law == "logistic" else np.log(CAPACITY_MM3 / volume)
    result: Float = pace / brake
    return result


def draw_tumours(rng: np.random.Generator, s: Settings, ill: bool, amplitude: float) -> tuple[Tumours, bool]:
    """Draw her lesions; the draws are the same for every amplitude, and for ill and healthy."""
    low, high = s.lesions
    count = int(rng.integers(low, high + 1))
    organs = [ORGANS[k] for k in rng.choice(len(ORGANS), MAX_LESIONS, p=SHARES)]
    longest = np.clip(np.exp(rng.normal(np.log(24), 0.5, MAX_LESIONS)), 7, 80)
    longest[0] = max(longest[0], 12.0)  # one at least is measurable
    organs[0] = ORGANS[0] if organs[0] == recist.NODE else organs[0]
    elongation = rng.uniform(1.0, 1.4, MAX_LESIONS)
    responder = bool(rng.random() < s.responders)
    halving = np.exp(rng.normal(np.log(80), 0.45) + rng.normal(0, 0.2, MAX_LESIONS))
    resistant = 1 / (1 + np.exp(rng.uniform(1.2, 4.0) + rng.normal(0, 0.3, MAX_LESIONS)))
    doubling = np.exp(rng.normal(np.log(64), 0.35) + rng.normal(0, 0.15, MAX_LESIONS))
    flare = rng.uniform(0.15, 0.45, MAX_LESIONS) * (rng.random() < s.flares)
    flare_day = float(rng.uniform(40, 90))
    spread, when = rng.random(), rng.uniform(0.25, 1.0)

    volume = np.pi / 6 * (longest / elongation) ** 3
    onset = np.full(MAX_LESIONS, -np.inf)
    pace = amplitude if ill else 0.0
    doubling = doubling / pace if pace > 0 else np.full(MAX_LESIONS, np.inf)
    halving = halving if responder else np.full(MAX_LESIONS, np.inf)
    keep = np.arange(MAX_LESIONS) < count
    if spread < 0.35 * min(pace, 1.0) and count < MAX_LESIONS:  # a metastasis appears while she is followed
        keep[count] = True
        onset[count] = when * SPREAD_DAYS
        volume[count] = np.pi / 6 * (5.0 / elongation[count]) ** 3
        flare[count] = 0.0
        if organs[count] == recist.NODE:
            organs[count] = "lung"
    chosen = [organs[k] for k in np.flatnonzero(keep)]
    return (
        Tumours(
            chosen, volume[keep], elongation[keep], resistant[keep], halving[keep], doubling[keep], flare[keep],
            flare_day, onset[keep],
        ),
        responder,
    )  # fmt: skip


def sizes(tumours: Tumours, law: str, days: Float) -> Float:
    """True diameters in mm, (lesions, days): the longest one, of lymph nodes the short axis; 0 where not visible."""
    t, day = tumours, days[None, :]
    since = np.where(np.isfinite(t.onset), t.onset, 0.0)[:, None]
    old = ~np.isfinite(t.onset)[:, None]
    clone = np.where(old, t.resistant[:, None], 1.0) * t.volume[:, None]
    rate = rate_of(law, clone, t.doubling[:, None])
    living = grown(clone, np.maximum(day - since, 0.0), law, rate, CAPACITY_MM3)
    dying = np.where(old, (1 - t.resistant[:, None]) * t.volume[:, None], 0.0) * np.exp(
        -np.log(2) * day / t.halving[:, None]
    )
    swelling = 1 + t.flare[:, None] * np.exp(-(((day - t.flare_day) / 30.0) ** 2)) * (day > 0)
    sphere = (6 / np.pi * (living + dying) * swelling) ** (1 / 3)
    longest = sphere * t.elongation[:, None]
    node = np.array([organ == recist.NODE for organ in t.organs])[:, None]
    short = np.hypot(sphere / np.sqrt(t.elongation[:, None]), NODE_TISSUE_MM)
    size: Float = np.where(node, short, np.where(longest < VISIBLE_MM, 0.0, longest))
    size[(day < since) & ~old] = 0.0
    return size


def measure(true_mm: Float, factor: Float, scanner: Scanner, nodes: NDArray[np.bool_]) -> Float:
    """Measure each visit: relative error and reader's bias in `factor`, the scanner's blur, gain and offset."""
    seen = true_mm > 0
    blurred = np.hypot(true_mm, scanner.blur * 1.0)
    value = np.maximum(scanner.offset + scanner.gain * blurred * np.clip(factor, 0.2, 5.0), 1.0)
    small = (true_mm < DEFAULT_MM) & ~nodes[:, None]
    result: Float = np.where(seen, np.where(small, DEFAULT_MM, value), 0.0)
    return result


def _any_seen(size: Float) -> NDArray[np.bool_]:
    seen: NDArray[np.bool_] = np.any(size > 0, axis=0)
    return seen


def follow(row: dict[str, Any], scanner: Scanner, s: Settings) -> tuple[dict[str, Any], Any, Any, Any]:
    """Follow one patient: her row, and her visits, measurements and lesions as columns."""
    patient = row["patient"]
    rng = np.random.default_rng([s.seed, 3, patient])
    tumours, responder = draw_tumours(rng, s, bool(row["diseased"]), float(row["amplitude"]))
    # Drawn for more visits than are made, so that her first visits are the same however long she is followed.
    gaps = np.maximum(1 + s.irregularity * rng.standard_normal(MAX_VISITS), 0.25)[: s.visits - 1]
    days = np.round(np.concatenate([[0.0], np.cumsum(s.interval_days * gaps)]))
    pool = len(s.reader_bias)
    usual, other = int(rng.integers(pool)), rng.integers(max(pool - 1, 1), size=MAX_VISITS)[: s.visits]
    changed = (rng.random(MAX_VISITS)[: s.visits] < s.change_reader) & (pool > 1)
    reader = np.where(changed, (usual + 1 + other) % pool, usual)
    chance = rng.standard_normal((MAX_LESIONS, MAX_VISITS))[:, : s.visits]

    old = ~np.isfinite(tumours.onset)
    nodes = np.array([organ == recist.NODE for organ in tumours.organs])
    true_mm = sizes(tumours, s.law, days)
    bias = np.array(s.reader_bias)[reader]
    factor = (1 + s.error * scanner.noise * chance[: len(old)]) * (1 + bias)
    measured = measure(true_mm, factor, scanner, nodes)
    target = recist.choose_targets(np.where(old, true_mm[:, 0], 0.0), tumours.organs)
    new = _any_seen(true_mm[~old])

    def judge(size: Float, appeared: NDArray[np.bool_]) -> tuple[Float, NDArray[np.str_]]:
        gone: NDArray[np.bool_] = np.all(np.where(nodes[:, None], size < recist.NODE_NORMAL_MM, size == 0)[old], axis=0)
        sums: Float = size[target].sum(axis=0)
        return sums, recist.respond(sums, appeared, gone)

    true_sum, true_response = judge(true_mm, new)
    sum_mm, response = judge(measured, new)
    daily = np.arange(0.0, days[-1] + 1)
    course = sizes(tumours, s.law, daily)
    appeared = _any_seen(course[~old])
    when = recist.first_progression(judge(course, appeared)[1])
    found, seen = (recist.first_progression(r) for r in (true_response, response))
    summary = {
        **{name: row[name] for name in ("patient", "site", "scanner", "subgroup")},
        "truth": int(row["diseased"]), "amplitude": row["amplitude"], "responder": int(responder),
        "n_lesions": int(old.sum()), "n_targets": int(target.sum()), "last_day": days[-1],
        "progression_day": np.nan if when is None else float(when),
        "progression_visit": np.nan if found is None else float(found),
        "best_response": recist.best_response(true_response),
        "measured_progression_visit": np.nan if seen is None else float(seen),
        "measured_best_response": recist.best_response(response),
    }  # fmt: skip
    visits = {
        "patient": np.full(s.visits, patient), "visit": np.arange(s.visits), "day": days, "reader": reader,
        "sum_mm": sum_mm, "true_sum_mm": true_sum, "new_lesion": new.astype(np.int64), "response": response,
        "true_response": true_response,
    }  # fmt: skip
    count, number = len(old), np.arange(len(old))
    lesions = {
        "patient": np.full(count, patient), "lesion": number, "organ": np.array(tumours.organs, dtype=object),
        "target": target.astype(np.int64), "baseline_mm": np.where(old, true_mm[:, 0], np.nan),
        "onset_day": np.where(old, np.nan, tumours.onset), "elongation": tumours.elongation,
        "resistant_share": np.where(old, tumours.resistant, 1.0), "halving_days": tumours.halving,
        "doubling_days": tumours.doubling,
    }  # fmt: skip
    rows = {
        "patient": np.full(count * s.visits, patient), "visit": np.tile(np.arange(s.visits), count),
        "lesion": np.repeat(number, s.visits), "day": np.tile(days, count),
        "measured_mm": measured.ravel(), "true_mm": true_mm.ravel(),
    }  # fmt: skip
    return summary, visits, rows, lesions
