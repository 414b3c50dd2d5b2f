"""Page 5.1.2 draws what benchmarks/learning_curve.py measured, digit for digit."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "05-deep-learning" / "5-1-2-classification.md"
RESULT = ROOT / "benchmarks" / "results" / "learning_curve_5_1_2.json"


def recorded_on_page() -> dict[str, object]:
    cell = re.search(r"^SIZES = .*?^RECORD = \{.*?^\}$", PAGE.read_text("utf-8"), re.S | re.M)
    assert cell is not None, "the page has no cell with SIZES and RECORD"
    return {
        node.targets[0].id: ast.literal_eval(node.value)  # type: ignore[attr-defined]
        for node in ast.parse(cell.group(0)).body
        if isinstance(node, ast.Assign)
    }


def test_page_holds_the_measured_learning_curve() -> None:
    page, measured = recorded_on_page(), json.loads(RESULT.read_text("utf-8"))["seeds"]
    assert sorted(measured, key=int) == [str(seed) for seed in range(6)]
    for row, seed in enumerate(sorted(measured, key=int)):
        assert measured[seed]["sizes"] == page["SIZES"]
        assert page["RECORD"]["ceiling"][row] == pytest.approx(measured[seed]["ceiling"], abs=6e-4)
        for name in ("features", "network"):
            assert page["RECORD"][name][row] == pytest.approx(measured[seed][name], abs=6e-4)


def test_normalisation_measured_as_the_builder_says() -> None:
    runs = [run for run in json.loads(RESULT.read_text("utf-8"))["seeds"].values() if run["normalisation"]]
    assert len(runs) >= 3
    mean = {kind: sum(run["normalisation"][kind][0] for run in runs) / len(runs) for kind in ("group", "none")}
    batch = sum(run["network"][-1] for run in runs) / len(runs)
    assert abs(batch - mean["group"]) < 0.01
    assert batch > mean["none"] + 0.01


def test_one_point_of_the_record_is_measured_again() -> None:
    from benchmarks.learning_curve import page_functions

    again = page_functions()["learning_curve"](0, [30])
    once = json.loads(RESULT.read_text("utf-8"))["seeds"]["0"]
    assert again["ceiling"] == pytest.approx(once["ceiling"], abs=2e-3)
    assert again["features"][0] == pytest.approx(once["features"][0], abs=5e-3)
    assert again["network"][0] == pytest.approx(once["network"][0], abs=0.08)  # trained: processors differ
