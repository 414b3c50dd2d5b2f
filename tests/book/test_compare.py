"""What counts as the same output: numbers within a tolerance, pictures by what is seen, all else exactly."""

from __future__ import annotations

import base64
import copy
import io
import re
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcourse.figures import _plotly_bundle
from tools.compare import Tolerance, differences, picture_difference


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def display(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {k.replace("_", "/"): v for k, v in data.items()}, "metadata": {}}


def png(draw: Any = None, size: tuple[float, float] = (4, 3)) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=100)
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    x = np.linspace(0, 1, 50)
    (draw or (lambda a: a.plot(x, x**2)))(axis)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def test_numbers_within_tolerance_agree_and_beyond_do_not() -> None:
    a, b = [stream("AUC 0.8120 (n = 1,200)")], [stream("AUC 0.8131 (n = 1,200)")]
    assert differences(a, b, Tolerance()) == ["stdout: stored 0.8120, now 0.8131"]
    assert differences(a, b, Tolerance(relative=0.01)) == []
    assert differences(a, b, Tolerance(absolute=0.002)) == []


def test_words_must_agree_exactly() -> None:
    assert differences([stream("CNN wins by 0.1")], [stream("SVM wins by 0.1")], Tolerance(relative=1))


def test_signs_and_counts_matter() -> None:
    assert differences([stream("gain 0.5")], [stream("gain -0.5")], Tolerance(relative=0.1))
    assert differences([stream("gain −0.5")], [stream("gain -0.5")], Tolerance()) == []
    assert differences([stream("1 2 3")], [stream("1 2")], Tolerance(relative=1))


def test_split_writes_to_one_stream_are_one() -> None:
    assert differences([stream("a\n"), stream("b\n")], [stream("a\nb\n")], Tolerance()) == []


def test_a_missing_an_extra_and_a_stderr_output_are_seen() -> None:
    assert differences([stream("x")], [], Tolerance())
    assert differences([], [stream("x")], Tolerance())
    assert differences([stream("x")], [stream("x", "stderr")], Tolerance())


def test_columns_of_a_table_may_move_with_their_digits() -> None:
    a = display(text_plain="   n   auc\n0  10  0.5\n1  20  0.75")
    b = display(text_plain="   n       auc\n0  10  0.5000001\n1  20  0.7500001")
    assert differences([a], [b], Tolerance(relative=1e-5)) == []


def test_an_ignored_cell_is_not_compared() -> None:
    assert differences([stream("x")], [stream("y")], Tolerance(ignore="the host's name")) == []


def test_unknown_cell_options_are_refused() -> None:
    with pytest.raises(ValueError, match="tolerence"):
        Tolerance.of({"course": {"tolerence": 0.1}})


def test_pictures_alike_agree_and_forged_ones_do_not() -> None:
    x = np.linspace(0, 1, 50)
    same = png(lambda a: a.plot(x, x**2 + 1e-9))
    forged = png(lambda a: a.plot(x, x**2.5))
    assert picture_difference(png(), same) == 0
    assert picture_difference(png(), forged) > 0.005
    assert picture_difference(png(), png(size=(5, 3))) == 1.0
    a, b = (display(image_png=base64.b64encode(p).decode()) for p in (png(), forged))
    assert "looks different" in differences([a], [b], Tolerance())[0]
    assert differences([a], [b], Tolerance(figure=0.5)) == []


def test_alternative_text_is_compared() -> None:
    a, b = display(image_png="eA=="), display(image_png="eA==")
    a["metadata"] = {"image/png": {"alt": "CNR falls from 1.23 to 1.07"}}
    b["metadata"] = {"image/png": {"alt": "CNR falls from 1.23 to 1.00"}}
    assert "alternative text" in differences([a], [b], Tolerance())[0]


def test_plotly_arrays_compare_as_numbers_in_both_forms() -> None:
    def bundle(shift: float) -> dict[str, Any]:
        figure = go.Figure(go.Scatter(x=np.arange(5.0), y=np.arange(5.0) ** 2 + shift))
        data = _plotly_bundle(figure, "A parabola over five points")
        data["text/html"] = re.sub(r"(plotly-[0-9a-f]{12})-\d+", r"\1", data["text/html"])  # shown many times here
        return {"output_type": "display_data", "metadata": {}, "data": data}

    assert differences([bundle(0)], [bundle(1e-12)], Tolerance()) == []
    found = differences([bundle(0)], [bundle(0.01)], Tolerance())
    assert any("plotly" in line for line in found)
    forged = copy.deepcopy(bundle(0))
    forged["data"]["text/html"] = bundle(0.01)["data"]["text/html"]
    assert differences([bundle(0)], [forged], Tolerance()), "a forged picture behind true data"


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(1e-5, 1e-2))
def test_printed_numbers_compare_by_value(value: float, relative: float) -> None:
    near, far = value * (1 + relative / 2), value * (1 + relative * 3)
    tolerance = Tolerance(relative=relative)
    assert differences([stream(f"x = {value!r}")], [stream(f"x = {near!r}")], tolerance) == []
    if abs(value) > 1e-3:
        assert differences([stream(f"x = {value!r}")], [stream(f"x = {far!r}")], tolerance)
