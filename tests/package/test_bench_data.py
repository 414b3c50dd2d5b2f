"""The benchmarks of the data measure what exists, under the names that their targets speak of."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as bench
from benchmarks import data
from medcourse.data import phantoms


@pytest.mark.parametrize("name", data.GENERATORS)
def test_generators_take_the_settings(name: str) -> None:
    generator, settings = data.GENERATORS[name]
    inspect.signature(getattr(phantoms, generator)).bind(2, first=0, progress=False, **settings)


def test_targets_are_of_figures_that_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"per_cpu_s": 1.0, "per_clock_s": 1.0, "shape": [1], "peak_mib": 1, "mb": 1, "cpu_s": 1, "clock_s": 1}
    monkeypatch.setattr(data, "_alone", lambda *_: {**given, "mb_per_s": 1})
    measured = {key for measure in data.MEASURES.values() for key in measure()}
    assert set(data.TARGETS) <= measured
    assert set(data.MEASURES) <= set(bench.MEASURES)


def test_streaming_and_rates_are_measured_on_real_phantoms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SECONDS", 0.01)
    monkeypatch.setitem(data.GENERATORS, "small", ("mammograms", {"size": 64, "views": ("L-CC",)}))
    rate: dict[str, Any] = data._rate("small")
    assert rate["shape"] == [64, 64, 1]
    assert rate["per_cpu_s"] > 0
    streamed = data._stream(8, str(tmp_path / "eight"))
    assert (tmp_path / "eight" / "meta.json").exists()
    assert streamed["peak_mib"] > 10


def test_a_measurement_that_fails_says_why() -> None:
    with pytest.raises(SystemExit, match=r"(?s)bench: rate nothing failed: .*KeyError: 'nothing'"):
        data._alone("rate", "nothing")
