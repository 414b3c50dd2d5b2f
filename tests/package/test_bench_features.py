"""`make bench MEASURE=features` measures real lesions, states its target, and keeps what it found."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import __main__ as bench
from benchmarks import features


def test_the_verb_measures_and_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "features.json"
    kept.write_text('{"pyradiomics": {"version": "kept from an earlier run"}}', "utf-8")
    monkeypatch.setattr(features, "measure", partial(features.measure, 16))
    monkeypatch.setitem(bench.KEPT, "features", kept)
    monkeypatch.setattr("sys.argv", ["bench", "features"])
    monkeypatch.delenv("PYRADIOMICS", raising=False)
    assert bench.main() == 0
    found = json.loads(kept.read_text("utf-8"))
    assert found["features_lesions"] == 16
    assert found["features_largest_relative_difference"] < 1e-9
    assert found["features_speedup_two_cores"] == pytest.approx(
        found["features_plain_loop_s"] / found["features_two_cores_s"], rel=0.2
    )
    assert found["pyradiomics"] == {"version": "kept from an earlier run"}
    assert "(target at least 5)" in capsys.readouterr().out


def test_numbers_that_differ_from_the_plain_loop_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = features.plain
    monkeypatch.setattr(features, "plain", lambda *given: 1.0001 * plain(*given))
    with pytest.raises(SystemExit, match="extract and the plain loop differ"):
        features.measure(8)


def test_a_missing_number_is_no_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = features.plain

    def holed(*given: object) -> pd.DataFrame:
        table = plain(*given)  # type: ignore[arg-type]
        table.iloc[3, 5] = np.nan
        return table

    monkeypatch.setattr(features, "plain", holed)
    with pytest.raises(SystemExit, match="extract and the plain loop differ"):
        features.measure(8)
