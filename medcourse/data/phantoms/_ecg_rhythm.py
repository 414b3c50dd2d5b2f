"""When a heart beats: sinus rhythm with its variability, early beats, atrial fibrillation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

MARGIN_S = 2.0  # beats are drawn so long before and after the record, for the waves that reach into it
SHORTEST_RR_S = 0.28
LIMITS = {
    "rate": (38.0, 170.0), "hrv": (0.004, 0.18), "rsa": (0.0, 1.0), "pr": (0.11, 0.34), "pvc": (0.0, 0.4),
    "pac": (0.0, 0.4), "burden": (0.0, 1.0),
}  # fmt: skip
_SINUS = {
    "rate": (58.0, 95.0), "hrv": (0.02, 0.05), "rsa": (0.3, 0.6), "pr": (0.13, 0.19), "pvc": (0.0, 0.01),
    "pac": (0.0, 0.02), "burden": (0.0, 0.0),
}  # fmt: skip
# What each rhythm changes in ordinary sinus rhythm: ranges from which a patient's own values are drawn.
CLASSES: dict[str, dict[str, tuple[float, float]]] = {
    "normal": {},
    "sinus tachycardia": {"rate": (105.0, 150.0), "hrv": (0.008, 0.02), "pr": (0.12, 0.16)},
    "sinus bradycardia": {"rate": (42.0, 55.0), "hrv": (0.03, 0.06), "pr": (0.14, 0.20)},
    "sinus arrhythmia": {"rate": (55.0, 80.0), "hrv": (0.08, 0.16), "rsa": (0.8, 0.95)},
    "first-degree AV block": {"rate": (52.0, 88.0), "pr": (0.22, 0.32)},
    "atrial ectopy": {"pac": (0.12, 0.40)},
    "ventricular ectopy": {"pvc": (0.12, 0.40)},
    "atrial fibrillation": {"burden": (1.0, 1.0)},
    "paroxysmal atrial fibrillation": {"burden": (0.10, 0.42)},
}


class Beats(NamedTuple):
    """Beats in the order of time: `time` of the R peak, `kind` (N, A, V), if in `fibrillation`; and the episode."""

    time: Float
    kind: NDArray[np.str_]
    fibrillation: NDArray[np.bool_]
    onset: float
    end: float


def own_parameters(name: str, u: Float) -> dict[str, float]:
    """Parameters of one patient of a class, from seven uniform numbers."""
    ranges = _SINUS | CLASSES[name]
    return {key: low + (high - low) * float(x) for (key, (low, high)), x in zip(ranges.items(), u, strict=True)}


def blend(base: dict[str, float], own: dict[str, float], amplitude: float) -> dict[str, float]:
    """Go from her underlying rhythm towards the disease by the amplitude, within the limits of physiology."""
    mixed = {}
    for key, (low, high) in LIMITS.items():
        mixed[key] = float(np.clip(base[key] + amplitude * (own[key] - base[key]), low, high))
    return mixed


def modulation(rng: np.random.Generator, time: Float, rsa: float, breath_hz: float) -> Float:
    """Heart rate variability of variance 1: breathing (share `rsa`), Mayer waves near 0.1 Hz, and 1/f below."""

    def waves(frequencies: Float, power: Float) -> Float:
        phase = rng.uniform(0, 2 * np.pi, len(frequencies))
        weight = np.sqrt(2 * power / power.sum())
        total: Float = weight @ np.cos(2 * np.pi * frequencies[:, None] * time + phase[:, None])
        return total

    breathing = waves(breath_hz * np.array([0.96, 1.0, 1.04]), np.array([0.2, 0.6, 0.2]))
    mayer = waves(np.array([0.08, 0.09, 0.10, 0.11, 0.12]), np.array([0.5, 1.0, 1.5, 1.0, 0.5]))
    slow = np.array([0.004, 0.008, 0.016, 0.032, 0.064])
    drift = waves(slow, 1 / slow)
    rest = 1 - rsa
    mixed = np.sqrt(rsa) * breathing + np.sqrt(0.55 * rest) * mayer + np.sqrt(0.45 * rest) * drift
    bounded: Float = np.clip(mixed, -2.5, 2.5)
    return bounded


def sinus(rng: np.random.Generator, p: dict[str, float], seconds: float, breath_hz: float) -> Float:
    """Times of the sinus beats: integral pulse frequency modulation, one beat each time the phase gains 1."""
    step = 0.02
    time = np.arange(-MARGIN_S, seconds + MARGIN_S, step)
    interval = 60 / p["rate"] * (1 + p["hrv"] * modulation(rng, time, p["rsa"], breath_hz))
    phase = np.concatenate([[0.0], np.cumsum(step / interval)[:-1]]) + rng.random()
    times: Float = np.interp(np.arange(1, int(phase[-1]) + 1), phase, time)
    return times


def with_early_beats(rng: np.random.Generator, beats: Float, p: dict[str, float]) -> tuple[Float, NDArray[np.str_]]:
    """Put early beats in: a ventricular one leaves the sinus clock alone (full pause), an atrial one resets it."""
    u, early, pause = rng.random(len(beats)), rng.random(len(beats)), rng.random(len(beats))
    time, kind, shift = [float(beats[0])], ["N"], 0.0
    run = 1.2 * p["pac"]  # atrial early beats come in pairs and runs as well: the mimic of fibrillation
    for k in range(1, len(beats)):
        due = float(beats[k]) + shift
        gap = due - time[-1]
        after_normal = kind[-1] == "N" and gap > 0.5
        if after_normal and u[k] < p["pvc"]:
            time.append(time[-1] + max((0.52 + 0.23 * early[k]) * gap, 0.32))
            kind.append("V")  # the sinus beat that was due meets refractory ventricles
        elif (after_normal and u[k] < p["pvc"] + p["pac"]) or (kind[-1] == "A" and gap > 0.4 and u[k] < run):
            time.append(time[-1] + max((0.55 + 0.30 * early[k]) * gap, 0.30))
            kind.append("A")
            shift += time[-1] - due + gap * 0.25 * pause[k]
        else:
            time.append(due)
            kind.append("N")
    return np.array(time), np.array(kind)


def with_fibrillation(
    rng: np.random.Generator, time: Float, kind: NDArray[np.str_], p: dict[str, float], seconds: float, pr: float
) -> Beats:
    """Replace a stretch of the record by fibrillation: intervals without memory, refractory time plus exponential."""
    mean, gamma = 60 / np.clip(p["rate"] * rng.uniform(0.9, 1.25), 62, 150), rng.uniform(5.0, 11.0)
    place = rng.random()
    waits = rng.exponential(1.0, int((seconds + 2 * MARGIN_S) / SHORTEST_RR_S) + 2)
    jitter = rng.standard_normal(len(waits))
    nothing = Beats(time, kind, np.zeros(len(time), bool), np.nan, np.nan)
    length = p["burden"] * seconds
    if length <= 0:
        return nothing
    whole = p["burden"] >= 0.97
    onset = -MARGIN_S if whole else place * (seconds - length)
    end = seconds + MARGIN_S if whole else onset + length
    before = time < onset
    refractory = max(mean - 1 / gamma, 0.30)
    intervals = np.clip(refractory * (1 + 0.03 * jitter) + waits / gamma, SHORTEST_RR_S, 2.2)
    start = float(time[before][-1]) if before.any() else onset - 0.5
    random = max(start, onset - 0.1) + np.cumsum(intervals)
    random = random[random < end]
    last = float(random[-1]) if len(random) else start
    after = time > max(last + 0.55, end + pr)
    parts = (time[before], random, time[after])
    return Beats(
        np.concatenate(parts),
        np.concatenate([kind[before], np.full(len(random), "N"), kind[after]]),
        np.repeat([False, True, False], [len(part) for part in parts]),
        float(onset),
        float(end),
    )


def draw_beats(
    rng: np.random.Generator, af_rng: np.random.Generator, p: dict[str, float], seconds: float, breath_hz: float
) -> Beats:
    time, kind = with_early_beats(rng, sinus(rng, p, seconds, breath_hz), p)
    return with_fibrillation(af_rng, time, kind, p, seconds, p["pr"])


def patient_parameters(
    rng: np.random.Generator, row: dict[str, Any], healthy: tuple[str, ...], ill: tuple[str, ...]
) -> tuple[str, str, dict[str, float]]:
    """Her rhythm, the one that underlies it, and the parameters of what is drawn."""
    u = rng.random(2)
    chance = rng.random((2, len(_SINUS)))
    underlying = healthy[int(u[0] * len(healthy))]
    base = own_parameters(underlying, chance[0])
    if not row["diseased"]:
        return underlying, underlying, base
    rhythm = ill[int(u[1] * len(ill))]
    own = own_parameters(rhythm, chance[1])
    if rhythm.endswith("atrial fibrillation"):  # outside its episodes she keeps her own rhythm
        own = base | {"burden": own["burden"]}
    return rhythm, underlying, blend(base, own, float(row["amplitude"]))
