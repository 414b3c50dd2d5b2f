"""The patch classifier: shapes, seeds, normalisation, clear errors, and no back end named."""

from __future__ import annotations

import ast
from pathlib import Path

import keras
import numpy as np
import pytest

from medcourse.models import cnn

PACKAGE = Path(cnn.__file__).parent.parent


@pytest.mark.parametrize("normalisation", ["batch", "group", "none"])
def test_output_is_one_probability_per_patch(normalisation: str) -> None:
    model = cnn.build((20, 28, 2), filters=(4, 6, 8), normalisation=normalisation)
    patches = np.random.default_rng(0).normal(size=(5, 20, 28, 2)).astype(np.float32)
    probability = keras.ops.convert_to_numpy(model(patches, training=False))
    assert probability.shape == (5, 1)
    assert ((probability > 0) & (probability < 1)).all()
    assert len(np.unique(probability)) == 5


def test_parameters_are_those_counted_by_hand() -> None:
    first = 5 * 5 * 1 * 16
    others = 3 * 3 * (16 * 32 + 32 * 64)
    normalisation = 2 * (16 + 32 + 64)
    dense = 64 + 1
    trainable = sum(int(np.prod(weight.shape)) for weight in cnn.build((32, 32, 1)).trainable_weights)
    assert trainable == first + others + normalisation + dense


def test_same_seed_same_weights_another_seed_others() -> None:
    first, again, other = (cnn.build((16, 16, 1), filters=(4, 4), seed=seed).get_weights() for seed in (3, 3, 4))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.allclose(first[0], other[0])


def test_convolutions_of_one_shape_start_differently() -> None:
    model = cnn.build((32, 32, 1), filters=(4, 4, 4), seed=0)
    second, third = (model.get_layer(f"conv{block}").get_weights()[0] for block in (2, 3))
    assert not np.allclose(second, third)


def test_augmentation_moves_patches_in_training_only_and_can_be_left_out() -> None:
    model = cnn.build((16, 16, 1), filters=(4, 4), seed=0)
    patches = np.random.default_rng(0).normal(size=(8, 16, 16, 1)).astype(np.float32)
    for name in ("flips", "turns"):
        layer = model.get_layer(name)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(patches, training=False)), patches)
        assert not np.allclose(keras.ops.convert_to_numpy(layer(patches, training=True)), patches)
    mirrored = keras.ops.convert_to_numpy(model.get_layer("flips")(patches, training=True))
    for before, after in zip(patches, mirrored, strict=True):
        turned = [before, before[::-1], before[:, ::-1], before[::-1, ::-1]]
        assert min(np.abs(after - candidate).max() for candidate in turned) < 1e-6
    disc = np.hypot(*(np.indices((33, 33)) - 16.0))[None, ..., None].astype(np.float32) < 10
    disc = np.repeat(disc.astype(np.float32), 8, axis=0)
    turned_disc = keras.ops.convert_to_numpy(model.get_layer("turns")(disc, training=True))
    assert np.abs(turned_disc - disc).mean() < 0.03  # a disc about the middle stays where it is
    plain = cnn.build((16, 16, 1), filters=(4, 4), augment=False)
    assert not {"flips", "turns"} & {layer.name for layer in plain.layers}


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((32, 32), {}, r"input_shape=\(32, 32\).*rows, columns, channels"),
        ((0, 32, 1), {}, r"input_shape=\(0, 32, 1\)"),
        ((6, 32, 1), {}, r"too small for 3 blocks: give at least 8 rows"),
        ((32, 32, 1), {"filters": ()}, r"filters=\(\)"),
        ((32, 32, 1), {"filters": (4, 0)}, r"filters=\(4, 0\)"),
        ((32, 32, 1), {"normalisation": "layer"}, r"normalisation='layer': choose one of batch, group, none"),
        ((32, 32, 1), {"dropout": 1.0}, r"dropout=1\.0"),
    ],
)
def test_bad_argument_is_one_clear_line(shape: tuple[int, ...], options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        cnn.build(shape, **options)
    assert "\n" not in str(caught.value)


def test_models_name_no_back_end_and_training_only_in_its_switch() -> None:
    for path in [*sorted((PACKAGE / "models").glob("*.py")), PACKAGE / "training.py"]:
        tree = ast.parse(path.read_text("utf-8"))
        guarded = [
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "keras.backend.backend()" in ast.unparse(node.test)
            for inner in ast.walk(node)
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name.split(".")[0] for alias in node.names} | {
                    (getattr(node, "module", None) or "").split(".")[0]
                }
                if names & {"tensorflow", "torch", "jax"}:
                    assert path.name == "training.py", f"{path.name} line {node.lineno} imports {names}"
                    assert node in guarded, f"line {node.lineno} imports {names} outside the back-end switch"
