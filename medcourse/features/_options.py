"""The options of `extract`: checked, with one clear line for each mistake, and put into one tuple."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from medcourse.features._regions import MAX_LEVELS, Bins
from medcourse.features.spectral import wavelet_margin

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "stat": "values, without regard to place",
        "ih": "histogram of the grey levels",
        "cm": "co-occurrence of grey levels",
        "rlm": "run lengths of grey levels",
        "ar": "autoregressive model",
        "wt": "wavelet energies",
        "morph": "shape",
    }
)
_AGGREGATIONS = ("2d_avg", "2d_mrg", "2.5d_avg", "2.5d_mrg", "3d_avg", "3d_mrg")


class Settings(NamedTuple):
    families: tuple[str, ...]
    bins: Bins
    distance: float
    unit: str
    aggregation: str
    wavelet: str
    scales: int

    @property
    def binned(self) -> str:
        number, width, start = self.bins
        if number is not None:
            return f"fbn{number}"
        assert width is not None
        return f"fbs{short(width)}" + ("" if start is None else f"from{short(start)}")

    @property
    def matrices(self) -> int:
        return len(directions_of(self.aggregation)) if {"cm", "rlm"} & {*self.families} else 0


def directions_of(aggregation: str) -> list[tuple[int, int, int]]:
    """Half of the neighbours, in the plane (4) or in space (13): the others are the same pairs, seen from behind."""
    steps = [(z, y, x) for z, y, x in product((-1, 0, 1), repeat=3) if (z, y, x) > (0, 0, 0)]
    return [step for step in steps if aggregation.startswith("3d") or step[0] == 0]


def short(number: float) -> str:
    """A number as it stands in a column's name: short, and no two alike."""
    return f"{number:g}" if float(f"{number:g}") == number else repr(float(number))


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"{name}={value!r}: give a number")


def checked_settings(
    families: object,
    binning: tuple[int | None, float | None, float | None],
    distance: tuple[float, str],
    wavelet: tuple[str, int],
) -> Settings:
    bins, bin_width, bin_start = binning
    chosen = () if isinstance(families, str) or not isinstance(families, Iterable) else tuple(families)
    if not chosen or not all(isinstance(name, str) and name in FAMILIES for name in chosen):
        shown = families if isinstance(families, str) or not chosen else list(chosen)
        raise ValueError(f"families={shown!r}: give a list of some of {', '.join(FAMILIES)}")
    families = tuple(name for name in FAMILIES if name in chosen)
    for name, value in (("bins", bins), ("bin_width", bin_width), ("bin_start", bin_start), ("distance", distance[0])):
        if value is not None:
            _check_number(name, value)
    if bins is not None and bin_width is not None:
        raise ValueError(f"bins={bins} and bin_width={bin_width}: give one of them")
    if bin_width is None and bin_start is not None:
        raise ValueError(f"bin_start={bin_start} goes with bin_width: give both, or neither")
    if bins is None and bin_width is None:
        bins = 32
    if bins is not None and not (2 <= bins <= MAX_LEVELS and bins == int(bins)):
        raise ValueError(f"bins={bins}: give 2 to {MAX_LEVELS} grey levels")
    bins = None if bins is None else int(bins)
    if bin_width is not None and not (np.isfinite(bin_width) and bin_width > 0):
        raise ValueError(f"bin_width={bin_width}: give a width above 0, in the unit of the images")
    if bin_start is not None and not np.isfinite(bin_start):
        raise ValueError(f"bin_start={bin_start}: give a number, in the unit of the images")
    if distance[1] not in ("px", "mm") or not (np.isfinite(distance[0]) and distance[0] > 0):
        raise ValueError(f"distance={distance[0]} {distance[1]!r}: give a distance above 0 and 'px' or 'mm'")
    if distance[1] == "px" and distance[0] != int(distance[0]):
        raise ValueError(f"distance={distance[0]} px: give whole pixels, or millimetres with distance_unit='mm'")
    if "wt" in families:
        wavelet_margin(*wavelet)
    if not {"ih", "cm", "rlm"} & {*families}:
        bins, bin_width, bin_start = 2, None, None  # nothing is binned
    return Settings(families, Bins(bins, bin_width, bin_start), *distance, "", *wavelet)


def chosen_aggregation(aggregation: str | None, ndim: int) -> str:
    chosen = aggregation or ("2d_avg" if ndim == 2 else "3d_avg")
    if chosen not in _AGGREGATIONS:
        raise ValueError(f"aggregation={aggregation!r}: give one of {', '.join(_AGGREGATIONS)}")
    if ndim == 2 and not chosen.startswith("2d"):
        raise ValueError(f"aggregation={aggregation!r} needs volumes: give '2d_avg' or '2d_mrg' for images")
    return chosen
