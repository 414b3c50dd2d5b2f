"""What can lie in a brain: tumours, what mimics them, and the small bright things that everybody has."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._brain_template import places
from medcourse.data.phantoms._brain_warp import Double, Float

KINDS = ("glioma", "meningioma", "metastasis")
EDGE_MM = 1.2  # over which a border passes from one tissue to the other


class Growth(NamedTuple):
    """A lesion about a centre in mm (z, y, x): a lumpy ellipsoid of which shells are different tissues.

    `core` lies deeper than `rim_mm` below the surface (inf: nowhere); `reach_mm` beyond the surface lies `around`, in
    white matter only. `waves` are (wave vectors per mm, phases) of three lumpy fields: of the surface, of the core
    and of what lies around; `lumps` is the surface's strength.
    """

    kind: str
    centre: Double
    radius: float
    stretch: Double
    lumps: float
    waves: tuple[Double, Double]
    rim_mm: float
    reach_mm: float
    core: str
    rim: str
    around: str


class Blobs(NamedTuple):
    """Small round things: centres (n, 3) in mm, radii (n, 3) in mm, tissue, strength, and where they may be."""

    centre: Double
    radius: Double
    tissue: list[str]
    strength: Double
    gate: list[str]


def draw_tumour(rng: np.random.Generator, *, kinds: tuple[str, ...], diameter_mm: tuple[float, float]) -> Growth:
    """A tumour, its centre in template mm. The same numbers are drawn whatever is asked for."""
    u = rng.random(12)
    waves = _draw_waves(rng)
    kind = kinds[int(u[0] * len(kinds))]
    # Gliomas tend to be found large, metastases small.
    low, high = diameter_mm
    share = {"glioma": 1 - (1 - u[1]) ** 1.0 * u[2] ** 0.5, "meningioma": (u[1] + u[2]) / 2, "metastasis": u[1] * u[2]}
    radius = low * (high / low) ** share[kind] / 2
    stretch = np.exp((u[3:6] - 0.5) * {"glioma": 0.5, "meningioma": 0.3, "metastasis": 0.16}[kind])
    stretch /= np.prod(stretch) ** (1 / 3)
    lumps = {"glioma": 0.16, "meningioma": 0.06, "metastasis": 0.04}[kind]
    rim = (0.16 + 0.3 * u[6]) * radius + 1.2
    if kind == "meningioma" or (kind == "metastasis" and u[7] < 0.35):
        rim = math.inf
    reach = {"glioma": 3 + 13 * u[8], "meningioma": 9 * max(u[8] - 0.4, 0), "metastasis": 3 + 14 * u[8]}[kind]
    return Growth(
        kind, _choose(_homes(kind, radius), u[9]), radius, stretch, lumps, _scaled(waves, radius), rim, reach,
        "necrosis", kind, "oedema",
    )  # fmt: skip


def draw_mimic(rng: np.random.Generator, *, tumour: Growth, share: float) -> Growth | None:
    """What is no tumour and looks like one, in the same slices, elsewhere: a scar, an old infarct, or a cyst."""
    u = rng.random(10)
    waves = _draw_waves(rng)
    if u[0] >= share:
        return None
    kind = ("scar", "infarct", "cyst")[int(u[1] * 3)]
    radius = {"scar": 4 + 8 * u[2], "infarct": 6 + 7 * u[2], "cyst": 3.5 + 6.5 * u[2]}[kind]
    spots = places()
    at, hull, white = spots["mm"], spots["hull"], spots["white"]
    apart = np.sqrt(((at - tumour.centre) ** 2).sum(axis=1))
    free = (apart > tumour.radius + min(tumour.reach_mm, 8) + radius + 5) & (abs(at[:, 0] - tumour.centre[0]) < 4)
    if kind == "scar":
        free &= (white > 0.9) & (hull < -7)
    elif kind == "infarct":
        free &= (abs(white - 0.5) < 0.35) & (abs(hull + 0.8 * radius) < 4)
    else:
        free &= (white > 0.8) & (hull < -radius - 3) if u[3] < 0.5 else abs(hull + 0.7 * radius) < 2
    if not free.any():
        return None
    centre = _choose(free, u[4])
    stretch = np.exp((u[5:8] - 0.5) * {"scar": 0.8, "infarct": 0.5, "cyst": 0.2}[kind])
    shells = {
        "scar": (math.inf, 2.0 * u[8], "gliosis", "gliosis", "gliosis"),
        "infarct": ((0.2 + 0.4 * u[8]) * radius, 3 + 4 * u[9], "csf", "gliosis", "gliosis"),
        "cyst": (0.8, 0.0, "csf", "csf", "csf"),
    }[kind]
    lumps = {"scar": 0.25, "infarct": 0.25, "cyst": 0.05}[kind]
    return Growth(kind, centre, radius, stretch, lumps, _scaled(waves, radius), *shells)


def draw_decoy(rng: np.random.Generator, *, tumour: Growth, share: float) -> Growth | None:
    """What a healthy patient has in the tumour's place, about as large: a plaque or an infarct, or a cyst outside."""
    u = rng.random(8)
    waves = _draw_waves(rng)
    if u[0] >= share:
        return None
    kind = "infarct" if u[1] < 0.4 else "cyst" if tumour.kind == "meningioma" else "plaque"
    radius = tumour.radius * (0.7 + 0.4 * u[2])
    stretch = np.exp((u[3:6] - 0.5) * 0.5)
    parts = {
        "plaque": (math.inf, tumour.reach_mm * u[6], "gliosis", "gliosis", "gliosis"),
        "infarct": ((0.3 + 0.5 * u[7]) * radius, 3 + 6 * u[6], "csf", "gliosis", "gliosis"),
        "cyst": (0.8, 0.0, "csf", "csf", "csf"),
    }[kind]
    lumps = {"plaque": 0.14, "infarct": 0.2, "cyst": 0.05}[kind]
    return Growth(kind, tumour.centre, radius, stretch, lumps, _scaled(waves, radius), *parts)


def draw_blobs(rng: np.random.Generator, *, age: float, hyperintensities: float) -> Blobs:
    """White-matter hyperintensities of age, wide perivascular spaces, choroid plexus, pulsating CSF, veins."""
    u, pick = rng.random((64, 4)), rng.random(64)
    counts = rng.poisson([hyperintensities * 0.4 * math.exp((age - 40) / 18), 1.0 + 0.1 * max(age - 30, 0)])
    burden = float(np.clip((age - 35) / 45, 0, 1.2)) * hyperintensities
    spots = places()
    deep = np.flatnonzero((spots["white"] > 0.9) & (spots["hull"] < -9))
    rows: list[tuple[Double, Double, str, float, str]] = []
    for k in range(min(int(counts[0]), 30)):
        size = (1.2 + 3.2 * u[k, 0] ** 2) * np.exp(0.4 * (u[k, 1:4] - 0.5))
        rows.append((spots["mm"][deep[int(pick[k] * len(deep))]], size, "gliosis", 0.35 + 0.4 * u[k, 1], "white"))
    for k, (z, y, x) in enumerate(((10, -36, 20), (10, -36, -20), (16, 56, 28), (16, 56, -28))):
        if burden > 0:  # caps on the horns of the lateral ventricles
            size = (3 + 7 * burden * (0.5 + u[30 + k, 0])) * np.array([1.3, 0.9, 0.7])
            rows.append((np.array([z, y, x], float), size, "gliosis", min(0.25 + 0.4 * burden, 0.8), "white"))
    for k in range(34, 34 + min(int(counts[1]), 12)):
        side = 1.0 if u[k, 0] < 0.5 else -1.0
        basal = u[k, 1] < 0.6
        z, y, x = (-4 + 10 * u[k, 2], -8 + 16 * u[k, 3], 22 + 6 * pick[k]) if basal else (
            38 + 8 * u[k, 2], -30 + 60 * u[k, 3], 22 + 8 * pick[k])  # fmt: skip
        size = (0.8 + 0.8 * u[k, 1]) * np.array([2.5 if basal else 1.2, 1.0, 1.0])
        rows.append((np.array([z, y, side * x]), size, "csf", 0.85, "any"))
    for k, side in ((46, 1.0), (47, -1.0)):
        plexus = np.array([10 + 4 * u[k, 0], 40 + 4 * u[k, 1], side * (22 + 3 * u[k, 2])])
        rows.append((plexus, np.array([5.0, 6.0, 3.0]) * (0.8 + 0.5 * u[k, 3]), "choroid", 0.9, "csf"))
    for k, (z, y, x) in enumerate(
        ((6, 0, 4), (6, 0, -4), (0, 10, 0), (-20, 0, 0), (-22, 18, 0), (-34, 45, 0), (12, -14, 6))
    ):
        size = (3 + 5 * u[48 + k, 0]) * np.ones(3)
        rows.append((np.array([z, y, x], float), size, "inflow", float(max(0.7 * u[48 + k, 1] - 0.35, 0)), "csf"))
    shell = np.flatnonzero((abs(spots["hull"] + 2.5) < 1.5) & (spots["grey"] < 0.5))
    for k in range(55, 64):
        size = (0.9 + 0.7 * u[k, 0]) * np.array([3.0, 1.0, 1.0])
        rows.append((spots["mm"][shell[int(pick[k] * len(shell))]], size, "vein", 0.9, "any"))
    centre, radius, tissue, strength, gate = zip(*rows, strict=True)
    return Blobs(np.array(centre), np.array(radius), list(tissue), np.array(strength), list(gate))


def shells(growth: Growth, away: list[Float], white: Float, hull: Float) -> tuple[Float, Float, Float]:
    """Shares of core, rim and surroundings at places `away` (z, y, x) mm from the centre; none outside the skull."""
    squares = [(part / np.float32(side)) ** 2 for part, side in zip(away, growth.stretch, strict=True)]
    vectors, phases = growth.waves
    lumpy = []
    for vector, phase in zip(vectors.astype(np.float32), phases.astype(np.float32), strict=True):
        turns = [
            np.cos(v[0] * away[0] + v[1] * away[1] + v[2] * away[2] + p) for v, p in zip(vector, phase, strict=True)
        ]
        lumpy.append(np.float32(math.sqrt(2 / len(turns))) * sum(turns))
    # Lumps make a body larger: (1 + 3 lumps^2) is the mean of (1 + lumps n)^3.
    radius = growth.radius / (1 + 3 * growth.lumps**2) ** (1 / 3)
    outside = np.sqrt(squares[0] + squares[1] + squares[2]) - np.float32(radius) * (1 + growth.lumps * lumpy[0])
    within = ramp(-hull / np.float32(EDGE_MM))
    body = ramp(np.float32(0.5) - outside / np.float32(EDGE_MM)) * within
    if math.isfinite(growth.rim_mm):
        deep = -outside - np.float32(growth.rim_mm) * (1 + np.float32(0.3) * lumpy[1])
        core = ramp(np.float32(0.5) + deep / np.float32(EDGE_MM)) * body
    else:
        core = np.zeros_like(body)
    if growth.reach_mm > 0:
        left = np.float32(growth.reach_mm) * (1 + np.float32(0.45) * lumpy[2]) - outside
        around = (
            ramp(np.float32(0.5) + left / np.float32(4)) * ramp((white - np.float32(0.3)) * 2) * (1 - body) * within
        )
    else:
        around = np.zeros_like(body)
    return core, body - core, around


def ramp(value: Float) -> Float:
    """The value between 0 and 1."""
    clipped: Float = np.minimum(np.maximum(value, np.float32(0)), np.float32(1))
    return clipped


def reach(growth: Growth) -> float:
    """Radius in mm of a ball that holds all of a lesion."""
    body = growth.radius * float(growth.stretch.max()) * (1 + 3 * growth.lumps)
    return body + 2.2 * growth.reach_mm + 3


def _homes(kind: str, radius: float) -> NDArray[np.bool_]:
    """Where a tumour of a kind and size may be centred; margins give way if there is no such place."""
    spots = places()
    z, x = spots["mm"][:, 0], abs(spots["mm"][:, 2])
    hull, white, grey = spots["hull"], spots["white"], spots["grey"]
    for margin in (0.9, 0.8, 0.65, 0.5, 0.3, 0.0):
        room = max(margin * radius, 3)
        if kind == "glioma":
            free = (white > 0.85) & (hull < -room - 3) & (x > room) & (z > -8) & (z < 40)
        elif kind == "meningioma":
            free = (abs(hull + 0.75 * radius) < 1.5) & (z > 0) & (z < 46) & (x > margin * radius)
        else:
            free = (abs(grey - 0.5) < 0.3) & (white > 0.2) & (hull < -room) & (hull > -room - 12) & (x > room)
            free &= (z > -8) & (z < 42)
        if free.any():
            return free
    return white > 0.5


def _choose(free: NDArray[np.bool_], u: float) -> Double:
    index = np.flatnonzero(free)
    chosen: Double = places()["mm"][index[int(u * len(index))]]
    return chosen


def _draw_waves(rng: np.random.Generator) -> tuple[Double, Double]:
    """Directions (times 0.7 to 1.6) and phases of three fields of six waves."""
    vectors = rng.standard_normal((3, 6, 3))
    vectors /= np.sqrt((vectors**2).sum(axis=2, keepdims=True))
    return vectors * rng.uniform(0.7, 1.6, (3, 6, 1)), rng.uniform(0, 2 * math.pi, (3, 6))


def _scaled(waves: tuple[Double, Double], radius: float) -> tuple[Double, Double]:
    """Waves whose length suits a lesion's radius: two to six lumps around it, some 8 to 20 mm long around it."""
    scale = np.array([2.6 / radius, 2.6 / radius, 0.35])[:, None, None]
    return waves[0] * scale, waves[1]
