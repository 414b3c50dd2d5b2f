"""`medcourse.figures`: what is stored with a figure, and what is drawn, measured in the picture."""

from __future__ import annotations

import html.parser
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from medcourse import figures
from medcourse.figures import COLOURS, image_row, overlay, scale_bar, show

ALT = "A black square with a white diagonal from the upper left to the lower right."
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@pytest.fixture(autouse=True)
def nothing_left_open(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(figures, "_shown", type(figures._shown)())
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What reaches the notebook: bundles with their metadata."""
    caught: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def display(bundle: dict[str, Any], *, raw: bool, metadata: dict[str, Any] | None = None) -> None:
        assert raw
        caught.append((bundle, metadata or {}))

    monkeypatch.setattr("IPython.display.display", display)
    return caught


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def drawn(figure: Any) -> np.ndarray:
    return picture(figures._png(figure))


def share(image: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((image == colour).all(axis=2).mean())


# -------------------------------------------------------------------------------------------- matplotlib


def test_show_stores_picture_text_and_size(shown: list[Any]) -> None:
    figure, axis = plt.subplots(figsize=(5, 3))
    axis.set_axis_off()
    axis.plot([0, 1], [0, 1])
    show(figure, alt=f"  {ALT}\n")
    (bundle, metadata) = shown.pop()
    assert not shown
    assert bundle["text/plain"] == f"[figure] {ALT}"
    assert metadata == {"image/png": {"alt": ALT, "width": metadata["image/png"]["width"]}}
    # Shown at its size in inches (96 CSS pixels each), stored with 112/96 times as many pixels.
    pixels = picture(bundle["image/png"])
    assert pixels.shape[1] == pytest.approx(112 / 96 * metadata["image/png"]["width"], abs=1)
    assert metadata["image/png"]["width"] < 5.3 * 96
    assert not plt.fignum_exists(figure.number), "an open figure would be displayed a second time"


def test_show_keeps_a_white_ground_in_any_theme() -> None:
    with plt.style.context("dark_background"):
        figure, axis = plt.subplots()
        axis.set_axis_off()
        figure.patch.set_alpha(0)
        with mpl.rc_context({"savefig.transparent": True}):
            image = drawn(figure)
    assert share(image, WHITE) == 1


def test_a_figure_that_cannot_be_drawn_is_closed_too() -> None:
    figure, axis = plt.subplots()
    axis.set_title("$\\nonsense{$")
    with pytest.raises(ValueError, match="nonsense"):
        show(figure, alt=ALT)
    assert not plt.fignum_exists(figure.number)


@pytest.mark.parametrize("alt", ["", "A histogram.", " " * 40, "x" * 29])
def test_show_refuses_a_text_that_says_nothing(alt: str, shown: list[Any]) -> None:
    figure, _ = plt.subplots()
    with pytest.raises(ValueError, match="too short: say in a sentence what is seen"):
        show(figure, alt=alt)
    assert not shown


def test_show_refuses_what_is_no_figure(shown: list[Any]) -> None:
    with pytest.raises(TypeError, match="figure is a ndarray: pass a Matplotlib or a Plotly figure"):
        show(np.zeros((2, 2)), alt=ALT)
    assert not shown


def test_two_processes_store_the_same_bytes() -> None:
    code = f"""
import hashlib, json
import numpy as np, plotly.graph_objects as go, IPython.display
from medcourse.figures import image_row, overlay, scale_bar, show
def display(bundle, raw, metadata=None):
    for kind, data in bundle.items():
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        print(kind, hashlib.sha256(data).hexdigest())
IPython.display.display = display
image = np.arange(4096.0).reshape(64, 64)
figure = image_row([image, image.T], ["rows", "columns"], spacing_mm=(1, 2))
scale_bar(figure.axes[0], 20, spacing_mm=(1, 2))
overlay(figure.axes[1], image > 2000)
show(figure, alt={ALT!r})
show(go.Figure(go.Heatmap(z=image)), alt={ALT!r})
"""
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[2]
    runs = [subprocess.run(command, capture_output=True, text=True, check=False, cwd=root) for _ in range(2)]
    assert [run.stderr for run in runs] == ["", ""]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.count("\n") == 5


# ------------------------------------------------------------------------------------------------ plotly


class Elements(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def slider() -> go.Figure:
    frames = [go.Frame(data=[go.Heatmap(z=[[i] * 3] * 2)], name=str(i)) for i in range(3)]
    return go.Figure(go.Heatmap(z=[[0, 1, 2], [3, 4, 5]]), frames=frames)


def test_plotly_arrives_in_two_forms_with_its_text(shown: list[Any]) -> None:
    alt = 'A "sinogram" of 16 views: <b>bright</b> & dark bands that wind like sines.'
    show(slider(), alt=alt)
    bundle, _ = shown.pop()
    assert set(bundle) == {"application/vnd.plotly.v1+json", "text/html", "text/plain"}
    assert bundle["text/plain"] == f"[interactive figure] {alt}"
    rebuilt = go.Figure(json.loads(json.dumps(bundle["application/vnd.plotly.v1+json"])))
    np.testing.assert_array_equal(rebuilt.data[0].z, [[0, 1, 2], [3, 4, 5]])
    assert len(rebuilt.frames) == 3
    elements = Elements(bundle["text/html"]).found
    tag, attributes = elements[0]
    assert (tag, attributes["role"], attributes["aria-label"]) == ("div", "group", alt)
    assert "b" not in [tag for tag, _ in elements], "the text is text, not markup"


def test_plotly_brings_no_library_and_does_not_play_by_itself(shown: list[Any]) -> None:
    show(slider(), alt=ALT)
    text = shown.pop()[0]["text/html"]
    assert len(text) < 20_000
    assert not [attributes for tag, attributes in Elements(text).found if tag == "script" and "src" in attributes]
    assert "Plotly.newPlot" in text
    assert "Plotly.addFrames" in text
    assert "Plotly.animate" not in text


def names(shown: list[Any]) -> list[str | None]:
    return [
        attributes["id"]
        for bundle, _ in shown
        for tag, attributes in Elements(bundle["text/html"]).found
        if "plotly-graph-div" in (attributes.get("class") or "")
    ]


def test_plotly_names_are_unique_and_do_not_hang_on_computed_numbers(shown: list[Any]) -> None:
    for auc in (0.81234, -0.9, 12):
        figures._shown.clear()  # a new kernel
        show(slider(), alt=f"Two curves that cross; the area under the upper one is {auc}.")
    assert len(set(names(shown))) == 1
    show(slider(), alt="Two curves that cross; the area under the upper one is 1.")
    show(slider(), alt="Two curves that never cross, with a wide gap between them.")
    assert len(set(names(shown))) == 3


def test_colab_keeps_its_own_renderer(shown: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setitem(sys.modules, "google.colab", object())  # type: ignore[arg-type]
    figure = slider()
    monkeypatch.setattr(type(figure), "show", lambda _: calls.append(1))
    show(figure, alt=ALT)
    assert calls == [1]
    assert not shown


# --------------------------------------------------------------------------------------------- image_row


def test_image_row_draws_true_proportions() -> None:
    wide = np.ones((20, 60))  # 20 rows of 2 mm, 60 columns of 0.5 mm: 40 mm high, 30 mm wide
    image = drawn(image_row([wide], [""], spacing_mm=(2, 0.5), limits=(1, 2)))
    inside = (image == BLACK).all(axis=2)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert np.ptp(rows) / np.ptp(columns) == pytest.approx(40 / 30, rel=0.01)
    assert np.ptp(rows) == pytest.approx(2.8 * 112, rel=0.05)


def test_image_row_gives_all_images_one_height() -> None:
    figure = image_row([np.zeros((10, 10)), np.zeros((20, 60)), np.zeros((30, 10, 3))], ["a", "b", "c"])
    figure.canvas.draw()
    boxes = [axis.get_window_extent() for axis in figure.axes]
    assert np.ptp([box.height for box in boxes]) < 0.05 * boxes[0].height
    assert [axis.get_title() for axis in figure.axes] == ["a", "b", "c"]


def test_image_row_uses_one_scale_for_all_where_asked() -> None:
    pair = [np.array([[0.0, 100.0]]), np.array([[0.0, 50.0]])]
    own, shared = image_row(pair, ["", ""]), image_row(pair, ["", ""], limits=(0, 100))
    assert [axis.images[0].get_clim() for axis in own.axes] == [(0, 100), (0, 50)]
    assert [axis.images[0].get_clim() for axis in shared.axes] == [(0, 100), (0, 100)]


def test_image_row_keeps_pixels_sharp_and_averages_what_is_too_fine() -> None:
    coarse = drawn(image_row([np.indices((8, 8)).sum(axis=0) % 2], [""]))
    middle = coarse[60:-60, 60:-60]
    assert share(middle, BLACK) + share(middle, WHITE) > 0.99  # no greys between the squares
    fine = drawn(image_row([np.indices((1600, 1600)).sum(axis=0) % 2], [""], limits=(0, 1)))
    middle = fine[60:-60, 60:-60]
    assert middle.std() < 20  # a chessboard finer than the dots is grey, without false patterns
    assert middle.mean() == pytest.approx(127, abs=8)


@pytest.mark.parametrize(
    ("images", "titles", "options", "message"),
    [
        ([], [], {}, "0 images and 0 titles"),
        ([np.zeros((2, 2))], ["a", "b"], {}, "1 images and 2 titles: give one title to each image"),
        ([np.zeros(4)], ["a"], {}, r"shape \(4,\), dtype float64: give numbers"),
        ([np.zeros((2, 2, 2))], ["a"], {}, r"shape \(2, 2, 2\)"),
        ([np.zeros((0, 2))], ["a"], {}, r"shape \(0, 2\)"),
        ([np.array([["x"]])], ["a"], {}, "dtype <U1"),
        ([np.full((2, 2, 3), 1.5)], ["a"], {}, "colour image holds 1.5 … 1.5: give integers 0–255 or floats 0–1"),
        ([np.full((2, 2, 3), np.nan)], ["a"], {}, "colour image holds nan"),
        ([np.full((2, 2, 3), -1)], ["a"], {}, "colour image holds -1"),
        ([np.zeros((2, 2))], ["a"], {"spacing_mm": (0, 1)}, r"spacing_mm=\(0, 1\): give two positive lengths"),
        ([np.zeros((2, 2))], ["a"], {"spacing_mm": (1, np.nan)}, "spacing_mm"),
        (
            [np.zeros((2, 2))],
            ["a"],
            {"limits": (5, 5)},
            r"limits=\(5, 5\): give two finite numbers, the lower one first",
        ),
        ([np.zeros((2, 2))], ["a"], {"limits": (0, np.inf)}, "limits"),
    ],
)
def test_image_row_refuses(images: list[Any], titles: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        image_row(images, titles, **options)
    assert "\n" not in str(caught.value)
    assert not plt.get_fignums(), "nothing is left open by a refusal"


def test_image_row_takes_masks() -> None:
    image = drawn(image_row([np.eye(2, dtype=bool)], [""]))
    assert share(image, BLACK) == pytest.approx(share(image, WHITE), abs=0.15)


# ---------------------------------------------------------------------------------- overlay and scale bar


def test_overlay_tints_the_inside_and_outlines_it() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[5:15, 5:15] = True
    figure = image_row([np.ones((20, 20))], [""], limits=(1, 2))
    before = (figure.axes[0].get_xlim(), figure.axes[0].get_ylim(), figure.axes[0].get_aspect())
    overlay(figure.axes[0], mask, colour=COLOURS["sky"])
    assert (figure.axes[0].get_xlim(), figure.axes[0].get_ylim(), figure.axes[0].get_aspect()) == before
    image = drawn(figure)
    line, tint = (86, 180, 233), tuple(round(0.25 * channel) for channel in (86, 180, 233))
    tinted = (np.abs(image.astype(int) - tint) <= 1).all(axis=2).mean()
    black = share(image, BLACK)
    assert tinted / (tinted + black) == pytest.approx(0.25, abs=0.03)  # 10 × 10 of 20 × 20 pixels
    assert (np.abs(image.astype(int) - line) <= 1).all(axis=2).sum() > 200


def test_overlay_closes_the_outline_of_a_mask_that_fills_the_image() -> None:
    figure = image_row([np.zeros((8, 8))], [""], limits=(0, 1))
    overlay(figure.axes[0], np.ones((8, 8)))
    (contour,) = figure.axes[0].collections
    (path,) = contour.get_paths()
    np.testing.assert_array_equal(path.vertices[0], path.vertices[-1])
    assert (path.vertices.min(), path.vertices.max()) == (-0.5, 7.5)


@pytest.mark.filterwarnings("error")
def test_overlay_of_an_empty_mask_marks_nothing_but_can_be_named() -> None:
    plain = image_row([np.eye(9)], [""])
    marked = image_row([np.eye(9)], [""])
    overlay(marked.axes[0], np.zeros((9, 9)), label="lesion")
    assert marked.axes[0].get_legend_handles_labels()[1] == ["lesion"]
    np.testing.assert_array_equal(drawn(plain), drawn(marked))


@pytest.mark.parametrize("mask", [np.zeros(4), np.full((2, 2), 0.5), np.full((2, 2), 255), np.zeros((2, 2, 1))])
def test_overlay_refuses_what_is_no_mask(mask: np.ndarray) -> None:
    figure = image_row([np.zeros((2, 2))], [""])
    with pytest.raises(ValueError, match="give booleans, shape"):
        overlay(figure.axes[0], mask)


def test_scale_bar_has_its_length_in_the_picture() -> None:
    figure = image_row([np.ones((50, 100))], [""], spacing_mm=(1.0, 0.5), limits=(1, 2))
    scale_bar(figure.axes[0], 20, spacing_mm=(1.0, 0.5))  # 50 mm wide
    assert [text.get_text() for text in figure.axes[0].texts] == ["20 mm"]
    image = drawn(figure)
    black = np.flatnonzero((image == BLACK).all(axis=2).any(axis=0))
    lower = image[int(0.8 * len(image)) : -20, black[0] + 5 : black[-1] - 5]  # below the text, within the image
    longest = (lower == WHITE).all(axis=2).sum(axis=1).max()
    assert longest / (np.ptp(black) + 1) == pytest.approx(20 / 50, abs=0.01)


@pytest.mark.parametrize("length", [46, 0, -5, np.nan])
def test_scale_bar_refuses_a_length_that_cannot_be_drawn(length: float) -> None:
    figure = image_row([np.ones((50, 100))], [""])
    with pytest.raises(ValueError, match=r"does not fit into an image 50 mm wide"):
        scale_bar(figure.axes[0], length, spacing_mm=(0.5, 0.5))


@pytest.mark.skipif("okabe_ito" not in mpl.color_sequences, reason="Matplotlib before 3.11 does not list them")
def test_colours_are_okabe_and_itos() -> None:
    reference = {mpl.colors.to_hex(colour).upper() for colour in mpl.color_sequences["okabe_ito"]}
    assert set(COLOURS.values()) == reference
    with pytest.raises(TypeError):
        COLOURS["blue"] = "#0000FF"  # type: ignore[index]


def test_a_grey_picture_is_stored_with_a_palette_and_loses_nothing() -> None:
    from PIL import Image

    from medcourse.figures import _smaller

    rng = np.random.default_rng(0)
    grey = np.repeat(rng.integers(0, 256, (40, 50, 1), dtype=np.uint8), 3, axis=2)
    many = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for pixels, mode in ((grey, "P"), (many, "RGB")):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="png")
        stored = Image.open(io.BytesIO(_smaller(buffer.getvalue())))
        assert stored.mode == mode
        np.testing.assert_array_equal(np.asarray(stored.convert("RGB")), pixels)
