"""What a spin echo or an inversion recovery makes of a tissue: relaxation times, sequences and the signal equation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._cohort import check_range

__all__ = ["MR_SEQUENCES", "MR_TISSUES", "MrSequence", "MrTissue", "mr_signal"]

RELAXIVITY = 4.78  # 1/(mM s), of gadobutrol in human plasma at 1.5 T: Szomolanyi et al. 2019
BRIGHTEST = (0.65, 0.45)  # grey level of the brightest of CSF, grey and white matter: spin echo, inversion recovery


class MrTissue(NamedTuple):
    """A tissue at 1.5 T: `t1_ms`, `t2_ms`, proton `density` (CSF is 1) and gadolinium `uptake_mm` (mmol/l)."""

    t1_ms: float
    t2_ms: float
    density: float
    uptake_mm: float = 0.0


@dataclass(frozen=True, kw_only=True)
class MrSequence:
    """A spin echo, or with an inversion time an inversion recovery: times in ms; `gadolinium` if taken after it.

    Parameters
    ----------
    name
        Of the contrast: the channel's name in the table of lesions.
    tr_ms, te_ms
        Repetition and echo time.
    ti_ms
        Inversion time; None for a plain spin echo.
    gadolinium
        Whether contrast medium has been given.
    """

    name: str
    tr_ms: float
    te_ms: float
    ti_ms: float | None = None
    gadolinium: bool = False


MR_TISSUES: Mapping[str, MrTissue] = MappingProxyType(
    {
        # BrainWeb's table (Collins et al. 1998); its T1 of CSF is that of a mixture, shorter than pure water's.
        "csf": MrTissue(2569, 329, 1.0),
        "grey": MrTissue(833, 83, 0.86, 0.03),
        "white": MrTissue(500, 70, 0.77, 0.02),
        "fat": MrTissue(350, 70, 1.0),
        "muscle": MrTissue(900, 47, 1.0, 0.1),
        # Ours: compact bone gives next to no signal, marrow is fat and water.
        "bone": MrTissue(500, 5, 0.1),
        "marrow": MrTissue(420, 60, 0.55, 0.05),
        # Ours: times lengthened as relaxometry finds, T1 to 1.3-2.0 and T2 to 1.6-2.4 times that of white matter.
        "oedema": MrTissue(830, 135, 0.86, 0.04),
        "glioma": MrTissue(950, 125, 0.86, 0.55),
        "meningioma": MrTissue(850, 105, 0.88, 0.8),
        "metastasis": MrTissue(900, 112, 0.87, 0.7),
        "necrosis": MrTissue(1800, 210, 0.95, 0.03),
        "gliosis": MrTissue(760, 140, 0.82, 0.02),
        "choroid": MrTissue(1200, 160, 0.95, 0.5),
        # Blood that has left the slice before its echo, and CSF that entered it after the inversion.
        "vein": MrTissue(1400, 12, 0.35, 1.2),
        "inflow": MrTissue(2569, 329, 1.0),
    }
)

MR_SEQUENCES: Mapping[str, MrSequence] = MappingProxyType(
    {
        item.name: item
        for item in (
            MrSequence(name="T1", tr_ms=450, te_ms=10),
            MrSequence(name="T1c", tr_ms=450, te_ms=10, gadolinium=True),
            MrSequence(name="PD", tr_ms=4000, te_ms=15),
            MrSequence(name="T2", tr_ms=4500, te_ms=100),
            MrSequence(name="FLAIR", tr_ms=9000, te_ms=120, ti_ms=1704),  # nulls the CSF of the table above
        )
    }
)


def mr_signal(tissue: str | MrTissue, sequence: str | MrSequence) -> float:
    """Signal of a tissue in a sequence, relative to that of water without any decay.

    Parameters
    ----------
    tissue
        A name in `MR_TISSUES`, or times and density of your own.
    sequence
        A name in `MR_SEQUENCES`, or times of your own.

    Returns
    -------
    float
        With its sign: negative where an inversion recovery has not yet passed zero. Scanners show the magnitude.

    Raises
    ------
    ValueError
        If a name is unknown, or a time is not above 0.

    Notes
    -----
    Spin echo ``density * (1 - exp(-TR/T1)) * exp(-TE/T2)``; inversion recovery
    ``density * (1 - 2 exp(-TI/T1) + exp(-TR/T1)) * exp(-TE/T2)``, both for TE much below TR. Gadolinium adds
    relaxivity times concentration to 1/T1 (4.78 per mM and s: Szomolanyi et al. 2019,
    doi:10.1097/RLI.0000000000000577).
    Times of normal tissues are BrainWeb's for 1.5 T (Collins et al. 1998, doi:10.1109/42.712135).
    Taught in: 1.4.2 Magnetic resonance imaging.

    Examples
    --------
    >>> [tissue for tissue in ("csf", "grey", "white") if abs(mr_signal(tissue, "FLAIR")) < 0.01]
    ['csf']
    >>> mr_signal("white", "T1") > mr_signal("grey", "T1") > mr_signal("csf", "T1")
    True
    """
    if isinstance(tissue, str):
        if tissue not in MR_TISSUES:
            raise ValueError(f"tissue={tissue!r}: give one of {', '.join(MR_TISSUES)}, or an MrTissue")
        tissue = MR_TISSUES[tissue]
    sequence = find_sequences((sequence,))[0]
    check_range(t1_ms=(tissue.t1_ms, 1e-3, 1e6), t2_ms=(tissue.t2_ms, 1e-3, 1e6), density=(tissue.density, 0, 10))
    rate = 1 / tissue.t1_ms + (RELAXIVITY * tissue.uptake_mm / 1000 if sequence.gadolinium else 0.0)
    recovered = 1 - math.exp(-sequence.tr_ms * rate)
    if sequence.ti_ms is not None:
        recovered = 1 - 2 * math.exp(-sequence.ti_ms * rate) + math.exp(-sequence.tr_ms * rate)
    return tissue.density * recovered * math.exp(-sequence.te_ms / tissue.t2_ms)


def find_sequences(contrasts: Sequence[str | MrSequence]) -> tuple[MrSequence, ...]:
    """The sequences meant, checked."""
    if not contrasts:
        raise ValueError(f"contrasts=() is empty: give some of {', '.join(MR_SEQUENCES)}")
    found = []
    for item in contrasts:
        if isinstance(item, str):
            if item not in MR_SEQUENCES:
                raise ValueError(
                    f"contrasts: {item!r} is none of {', '.join(MR_SEQUENCES)}: name one, or an MrSequence"
                )
            item = MR_SEQUENCES[item]  # noqa: PLW2901
        check_range(tr_ms=(item.tr_ms, 1, 1e6), te_ms=(item.te_ms, 0.1, 1e5))
        if item.ti_ms is not None:
            check_range(ti_ms=(item.ti_ms, 1, item.tr_ms))
        found.append(item)
    if len({item.name for item in found}) < len(found):
        raise ValueError("contrasts holds a name twice: give each sequence its own")
    return tuple(found)


@lru_cache(maxsize=32)
def signal_table(sequences: tuple[MrSequence, ...]) -> dict[str, NDArray[np.float32]]:
    """Grey levels of every tissue, (contrasts,), scaled so that the brightest of the brain's own has `BRIGHTEST`."""
    table = {}
    for name, tissue in MR_TISSUES.items():
        levels = []
        for item in sequences:
            top = BRIGHTEST[item.ti_ms is not None]
            scale = top / max(abs(mr_signal(own, item)) for own in ("csf", "grey", "white"))
            seen = item
            if name == "inflow":  # was never inverted; in a spin echo what flows away leaves a void
                seen = MrSequence(name=item.name, tr_ms=item.tr_ms, te_ms=item.te_ms, gadolinium=item.gadolinium)
                scale *= 1.0 if item.ti_ms is not None else 0.6
            levels.append(scale * mr_signal(tissue, seen))
        table[name] = np.array(levels, np.float32)
    return table


def add_rician_noise(
    rng: np.random.Generator, signal: NDArray[np.float32], sigma: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Magnitude of a signal with independent noise of standard deviation `sigma` in both channels."""
    noisy = np.empty_like(signal)
    for k, plane in enumerate(signal):  # one at a time stays in the processor's cache
        real, imaginary = rng.standard_normal((2, *plane.shape), np.float32) * sigma
        real += plane
        np.sqrt(real * real + imaginary * imaginary, out=noisy[k])
    return noisy
