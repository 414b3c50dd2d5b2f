"""The shipped images are what their docstrings say, and need no network."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from medcourse.data import samples


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a sample asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def test_ct_is_the_cropped_piece_its_docstring_describes() -> None:
    image = samples.ct()
    header = image.dataset
    assert image.pixels.shape == (128, 128)
    assert header.Modality == "CT"
    assert (float(header.SliceThickness), float(header.KVP)) == (5, 120)
    side_mm = image.spacing_mm[0] * image.pixels.shape[0]
    assert side_mm == pytest.approx(85, abs=0.5)
    # Cropped, not resampled: 512 columns of this spacing fill the reconstruction circle.
    assert 512 * image.spacing_mm[1] == pytest.approx(float(header.ReconstructionDiameter), abs=1e-3)
    assert str(header.PatientName).startswith("CompressedSamples")


def test_ct_holds_lung_muscle_and_bone() -> None:
    hu = samples.ct().pixels
    assert (hu < -700).mean() > 0.1  # lung
    assert ((hu > 0) & (hu < 100)).mean() > 0.2  # soft tissue
    assert (hu > 300).mean() > 0.02  # cortical bone


def test_ct_path_says_what_to_do_without_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pydicom.data.get_testdata_file", lambda *_, **__: None)
    with pytest.raises(FileNotFoundError, match="install it again"):
        samples.ct_path()


def test_retina_is_a_red_disc_on_black() -> None:
    photograph = samples.retina()
    assert photograph.shape == (1411, 1411, 3)
    assert photograph.dtype == np.uint8
    corners = photograph[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.max() < 10
    red, green, blue = photograph[400:1000, 400:1000].reshape(-1, 3).mean(axis=0)
    assert red > green > blue


def test_the_brain_template_lies_as_its_docstring_says() -> None:
    t1, grey, white = samples.brain_template()
    assert t1.shape == grey.shape == white.shape == (189, 233, 197)
    assert t1.dtype == grey.dtype == white.dtype == np.uint8
    brain = t1 > 0
    assert (grey.astype(int) + white)[~brain].mean() < 1  # tissue lies inside the brain
    assert t1[white > 200].mean() > t1[grey > 200].mean() + 20  # T1: white matter is the brighter
    assert brain[150].sum() > brain[5].sum()  # z upwards: wide below the crown, narrow at the stem


def test_the_brain_template_says_what_to_do_without_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples.Path, "is_file", lambda _: False)
    with pytest.raises(FileNotFoundError, match="install it again"):
        samples.brain_template()
