"""The causal graph of the clinical cohort: its edges, its structural equations, and what is calibrated from them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Float = NDArray[np.float64]

BLOCK = 20  # genes that share one programme
RHO = 0.5  # correlation of two genes of one block
SHAPE = 1.5  # of the Weibull law: the hazard rises with time
CAUSAL_GENES = ("G001", "G002", "G021", "G022")

EDGES: tuple[tuple[str, str], ...] = (
    ("age", "pack_years"), ("sex", "pack_years"), ("pack_years", "programme_1"),
    ("programme_1", "G001"), ("programme_1", "G002"), ("programme_2", "G021"), ("programme_2", "G022"),
    ("G001", "stage"), ("pack_years", "stage"),
    ("sex", "haemoglobin"), ("age", "haemoglobin"), ("stage", "haemoglobin"),
    ("stage", "crp"), ("pack_years", "crp"),
    ("stage", "image_score"), ("G021", "image_score"),
    ("stage", "treatment"), ("age", "treatment"),
    ("age", "survival"), ("sex", "survival"), ("stage", "survival"), ("pack_years", "survival"),
    ("haemoglobin", "survival"), ("treatment", "survival"),
    ("G001", "survival"), ("G002", "survival"), ("G021", "survival"), ("G022", "survival"),
)  # fmt: skip
INFORMATIVE_EDGES = tuple((parent, "dropout") for parent, child in EDGES if child == "survival")

# Log hazard ratios at the medium difficulty; the units are those of `covariates`.
LOG_HAZARD = {
    "age": 0.25, "sex": 0.20, "stage": 0.55, "pack_years": 0.15, "haemoglobin": -0.25,
    "G001": 0.35, "G002": -0.25, "G021": 0.45, "G022": 0.30,
}  # fmt: skip
# Age and smoking per standard deviation, haemoglobin per 15 g/L, stage per step; all about their means.
UNITS = {"age": (64.0, 10.0), "pack_years": (22.0, 18.0), "haemoglobin": (135.0, 15.0), "stage": (2.5, 1.0)}
_STAGE_CUTS = np.array([-0.75, 0.1, 0.95])  # of the latent severity, which has mean 0 and variance 1


class Noise(NamedTuple):
    """Independent uniforms of the structural equations: `clinical` (n, columns), `programmes` (n, 2+), `genes`."""

    clinical: Float
    programmes: Float
    genes: Float


CLINICAL = (
    "age", "sex", "pack_years", "never_smoked", "stage", "haemoglobin", "crp", "image_score", "treatment", "survival",
    "entry", "dropout", "missing_haemoglobin", "missing_crp", "missing_image_score",
)  # fmt: skip


def uniforms(seed: int, stream: int, first: int, n: int, columns: int) -> Float:
    """Rows `first` to ``first + n - 1`` of an endless table of uniforms: a row is the same for every call."""
    bits = np.random.PCG64([seed, 5, stream])
    bits.advance(first * columns)
    u: Float = np.random.Generator(bits).random((n, columns))
    return np.clip(u, 1e-12, 1 - 1e-12)


def draw_noise(seed: int, first: int, n: int, n_genes: int) -> Noise:
    blocks = -(-n_genes // BLOCK)
    return Noise(
        uniforms(seed, 0, first, n, len(CLINICAL)),
        np.stack([uniforms(seed, 10 + block, first, n, 1)[:, 0] for block in range(blocks)], axis=1),
        np.concatenate([uniforms(seed, 10_000 + block, first, n, BLOCK) for block in range(blocks)], axis=1),
    )


def solve(noise: Noise, n_genes: int) -> tuple[dict[str, Float], Float]:
    """Solve the structural equations in the order of the graph, up to the treatment: columns, and genes (n, genes)."""
    u = dict(zip(CLINICAL, noise.clinical.T, strict=True))
    z = {name: special.ndtri(value) for name, value in u.items()}
    age = np.clip(64 + 10 * z["age"], 30, 90)
    sex = (u["sex"] < 0.55).astype(np.float64)  # 1 = male
    smoked = u["never_smoked"] < 0.55 + 0.20 * sex
    dose = 26 + 0.35 * (age - 64) + 6 * sex + 12 * z["pack_years"]
    pack_years = np.where(smoked, np.clip(dose, 1, 90), 0.0)
    smoke = scaled("pack_years", pack_years)

    programmes = special.ndtri(noise.programmes)
    programmes[:, 0] = 0.4 * smoke + np.sqrt(1 - 0.16) * programmes[:, 0]
    shared = np.repeat(programmes, BLOCK, axis=1)
    genes: Float = (np.sqrt(RHO) * shared + np.sqrt(1 - RHO) * special.ndtri(noise.genes))[:, :n_genes]

    severity = 0.5 * genes[:, 0] + 0.2 * smoke + 0.8 * z["stage"]
    stage = 1.0 + np.searchsorted(_STAGE_CUTS, severity, side="right")
    haemoglobin = 134 + 12 * (sex - 0.5) - 0.25 * (age - 64) - 5 * (stage - 2.5) + 11 * z["haemoglobin"]
    crp = np.exp(1.4 + 0.45 * (stage - 2.5) + 0.2 * smoke + 0.7 * z["crp"])
    gene = genes[:, gene_index("G021")] if n_genes > gene_index("G021") else 0.0
    image_score = 0.5 * (stage - 2.5) + 0.5 * gene + 0.7 * z["image_score"]
    propensity = special.expit(-0.1 + 0.9 * (stage - 2.5) - 0.6 * (age - 64) / 10)
    columns = {
        "age": age, "sex": sex, "pack_years": pack_years, "stage": stage,
        "haemoglobin": np.clip(haemoglobin, 60, 185), "crp": np.clip(crp, 0.2, 300.0), "image_score": image_score,
        "propensity": propensity, "treatment": (u["treatment"] < propensity).astype(np.float64),
    }  # fmt: skip
    return columns, genes


def gene_index(name: str) -> int:
    return int(name[1:]) - 1


def scaled(name: str, values: Float) -> Float:
    centre, unit = UNITS.get(name, (0.5, 1.0) if name == "sex" else (0.0, 1.0))
    result: Float = (values - centre) / unit
    return result


def linear_predictor(columns: dict[str, Float], genes: Float) -> Float:
    """Log hazard of each patient without treatment, at the medium difficulty, relative to the typical patient."""
    total = np.zeros(len(genes))
    for name, beta in LOG_HAZARD.items():
        if name.startswith("G"):
            total += beta * genes[:, gene_index(name)] if gene_index(name) < genes.shape[1] else 0.0
        else:
            total += beta * scaled(name, columns[name])
    return total


class Reference(NamedTuple):
    """A fixed population on which what must hold on average is calibrated: it depends on no caller's seed."""

    eta: Float
    treatment: Float
    survival: Float
    entry: Float
    columns: dict[str, Float]


@lru_cache(maxsize=4)
def reference(n_genes: int, size: int = 8192) -> Reference:
    noise = draw_noise(987_654_321, 0, size, n_genes)
    columns, genes = solve(noise, n_genes)
    u = dict(zip(CLINICAL, noise.clinical.T, strict=True))
    return Reference(linear_predictor(columns, genes), columns["treatment"], u["survival"], u["entry"], columns)


def _root(function: Any, low: float, high: float) -> float:
    return float(optimize.brentq(function, low, high, xtol=1e-13, rtol=1e-13))


@lru_cache(maxsize=256)
def log_baseline(n_genes: int, amplitude: float, log_ratio: float, share: float, horizon: float) -> float:
    """Log of the Weibull rate at which the given share of the population has the event before the horizon."""
    people = reference(n_genes)
    eta = amplitude * (people.eta + log_ratio * people.treatment)

    def excess(log_rate: float) -> float:
        return float(np.mean(-np.expm1(-np.exp(log_rate + eta) * horizon**SHAPE)) - share)

    return _root(excess, -60, 60)


class Censoring(NamedTuple):
    """End of the study lies ``limit * (0.6 + 0.8 * entry)`` years after entry; dropout has this rate per year."""

    limit: float
    rate: float


@lru_cache(maxsize=256)
def calibrate_censoring(
    n_genes: int, amplitude: float, log_ratio: float, log_rate: float, share: float, dropout: float, informative: float
) -> Censoring:
    """Find the study's length and the rate of dropout that censor the given share of the population."""
    if share == 0:
        return Censoring(np.inf, 0.0)
    people = reference(n_genes)
    eta = amplitude * (people.eta + log_ratio * people.treatment)
    wait = 0.6 + 0.8 * people.entry
    times = event_times(people.survival, log_rate + eta)
    pull = np.exp(informative * people.eta / people.eta.std())

    def alone(log_limit: float) -> float:  # the share that the end of the study censors where nobody leaves
        return float(np.mean(times > np.exp(log_limit) * wait)) - share

    def rate_at(limit: float) -> float:
        before = times <= limit * wait
        if 1 - before.mean() >= share:
            return 0.0
        seen = pull[before] * times[before]
        return float(np.exp(_root(lambda d: len(times) * (1 - share) - np.exp(-np.exp(d) * seen).sum(), -25, 25)))

    def ended(log_limit: float) -> float:
        end = np.exp(log_limit) * wait
        stay = np.exp(-rate_at(float(np.exp(log_limit))) * pull * end)
        return float(np.mean(stay * (times > end))) - share * (1 - dropout)

    if dropout == 1:
        return Censoring(np.inf, rate_at(np.inf))
    shortest = _root(alone, -20, 20)
    if ended(shortest) <= 0:  # fewer leave than one of the reference population
        return Censoring(float(np.exp(shortest)), 0.0)
    limit = float(np.exp(_root(ended, shortest, shortest + 20)))
    return Censoring(limit, rate_at(limit))


def event_times(u: Float, log_hazard: Float) -> Float:
    """Times in years at which a Weibull law with the given log rates has let the share `u` survive."""
    times: Float = np.exp((np.log(-np.log(u)) - log_hazard) / SHAPE)
    return times


def missing_drive(mechanism: str, column: str, columns: dict[str, Float]) -> Float:
    """What makes a value likely to be missing: nothing, age and stage, or the value itself."""
    if mechanism == "completely at random":
        return np.zeros_like(columns["age"])
    if mechanism == "at random":
        observed: Float = 0.8 * scaled("age", columns["age"]) + 0.8 * scaled("stage", columns["stage"])
        return observed
    centre, unit = {"haemoglobin": (134.0, -14.0), "crp": (1.4, 0.9), "image_score": (0.0, 1.0)}[column]
    value = np.log(columns["crp"]) if column == "crp" else columns[column]
    result: Float = 1.5 * (value - centre) / unit
    return result


@lru_cache(maxsize=64)
def missing_intercept(n_genes: int, mechanism: str, column: str, share: float) -> float:
    drive = missing_drive(mechanism, column, reference(n_genes).columns)
    return _root(lambda b: float(np.mean(special.expit(b + drive)) - share), -60, 60)
