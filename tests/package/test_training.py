"""Training learns, repeats, keeps the best epoch, keeps quiet, and refuses bad input in one line."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest

from medcourse import training
from medcourse.models import cnn
from medcourse.training import fit, seed_everything


def patches(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """White noise of two strengths, no help from the mean: (n, 16, 16, 1) and labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return (rng.normal(size=(n, 16, 16, 1)) * (1 + 0.5 * y[:, None, None, None])).astype(np.float32), y


def tiny(**options: object) -> keras.Model:
    return cnn.build((16, 16, 1), filters=(8, 8), **{"dropout": 0.0, "augment": False, **options})


def test_overfits_sixteen_images_with_random_labels() -> None:
    x, _ = patches(16)
    y = np.random.default_rng(1).permutation(np.repeat([0, 1], 8))
    model = tiny(normalisation="group")
    history = fit(model, x, y, validation=(x, y), epochs=200, batch_size=16, learning_rate=2e-2)
    assert history["val_loss"][-1] < 0.1
    probability = model.predict(x, verbose=0).ravel()
    np.testing.assert_array_equal(probability > 0.5, y == 1)


def test_same_seed_twice_gives_the_same_weights_and_another_seed_does_not() -> None:
    x, y = patches(48)
    weights = []
    for seed in (5, 5, 6):
        model = tiny(dropout=0.2, augment=True, seed=seed)
        fit(model, x, y, validation=(x, y), epochs=2, batch_size=16, seed=seed)
        weights.append(model.get_weights())
    for a, b in zip(weights[0], weights[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.allclose(weights[0][0], weights[2][0])


def test_keeps_the_weights_of_the_best_epoch() -> None:
    x, y = patches(32)
    model = tiny()
    # Validation labels are turned round: what is learnt can only harm, so an early epoch is best.
    history = fit(model, x, y, validation=(x, 1 - y), epochs=12, learning_rate=1e-2)
    best = int(np.argmin(history["val_loss"]))
    assert best < 11
    assert history["val_loss"][-1] > history["val_loss"][best] + 0.05
    model.compile(loss="binary_crossentropy")
    again = model.evaluate(x, (1 - y).astype(np.float32), batch_size=32, verbose=0)
    assert again == pytest.approx(history["val_loss"][best], rel=1e-4)


def test_patience_stops_after_so_many_epochs_without_a_better_one() -> None:
    x, y = patches(32)
    history = fit(tiny(), x, y, validation=(x, 1 - y), epochs=40, learning_rate=1e-2, patience=3)
    best = int(np.argmin(history["val_loss"]))
    assert len(history["val_loss"]) == best + 1 + 3


def test_mixed_precision_learns_the_same_and_leaves_float32_behind() -> None:
    x, y = patches(64)
    plain, mixed = tiny(), tiny()
    first = fit(plain, x, y, validation=(x, y), epochs=3, learning_rate=1e-2)
    second = fit(mixed, x, y, validation=(x, y), epochs=3, learning_rate=1e-2, mixed_precision=True)
    assert first["val_loss"] != second["val_loss"]
    assert second["val_loss"][-1] == pytest.approx(first["val_loss"][-1], abs=0.15)
    assert {layer.compute_dtype for layer in mixed.layers} == {"float32"}
    assert all(weight.dtype == np.float32 for weight in mixed.get_weights())
    assert mixed.predict(x[:2], verbose=0).dtype == np.float32


def test_a_bar_is_drawn_by_the_rule_of_the_whole_package(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    x, y = patches(16)
    asked: list[bool | None] = []
    monkeypatch.setattr(training, "is_shown", lambda progress: bool(asked.append(progress)) or True)
    fit(tiny(), x, y, validation=(x, y), epochs=1)
    assert asked == [None]
    assert "1/1" in capfd.readouterr().err


def test_quiet_unless_asked_and_the_bar_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    x, y = patches(16)
    model = tiny()
    fit(model, x, y, validation=(x, y), epochs=1)  # what TensorFlow says of itself at its first step
    capfd.readouterr()
    fit(model, x, y, validation=(x, y), epochs=2)
    quiet = capfd.readouterr()
    assert quiet.out == ""
    assert "epoch" not in quiet.err
    fit(model, x, y, validation=(x, y), epochs=2, progress=True)
    asked = capfd.readouterr()
    assert asked.out == ""
    assert "2/2" in asked.err
    assert "val_loss" in asked.err


def test_seed_everything_reaches_python_numpy_and_keras() -> None:
    def draw() -> tuple[float, float, float]:
        seed_everything(7)
        return random.random(), np.random.rand(), float(keras.random.uniform(()))  # noqa: NPY002

    assert draw() == draw()


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match=rf"seed={seed} is out of range: give a whole number"):
        seed_everything(seed)


X, Y = patches(8)


@pytest.mark.parametrize(
    ("x", "y", "validation", "options", "message"),
    [
        (X[:, :8], Y, (X, Y), {}, r"x has shape \(8, 8, 16, 1\): this model takes \(n, 16, 16, 1\)"),
        (X[..., 0], Y, (X, Y), {}, r"x has shape \(8, 16, 16\)"),
        (X[:0], Y[:0], (X, Y), {}, r"x is empty"),
        (X, Y[:5], (X, Y), {}, r"y has shape \(5,\): give one label per input, shape \(8,\)"),
        (X, Y[:, None], (X, Y), {}, r"y has shape \(8, 1\)"),
        (X, np.ones(8), (X, Y), {}, r"y holds 1: give labels 0 and 1, both present"),
        (X, Y + 1, (X, Y), {}, r"y holds 1, 2"),
        (X * np.nan, Y, (X, Y), {}, r"x holds NaN"),
        (X, Y, (X, np.zeros(8)), {}, r"validation\[1\] holds 0"),
        (X, Y, (X[:0], Y[:0]), {}, r"validation\[0\] is empty"),
        (X, Y, (X, Y), {"epochs": 0}, r"epochs=0: give a number above 0"),
        (X, Y, (X, Y), {"learning_rate": -1.0}, r"learning_rate=-1\.0"),
    ],
)
def test_bad_input_is_one_clear_line(
    x: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray], options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        fit(tiny(), x, y, validation=validation, **options)
    assert "\n" not in str(caught.value)
