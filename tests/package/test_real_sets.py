"""Real sets, where they are on this machine: they load, and are what the registry says of them."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from medcourse.data import _members, registry

LOADABLE = [name for name in registry.available() if registry.describe(name).files]
HERE = [name for name in LOADABLE if registry.at_hand(name)]


def load(name: str) -> registry.Loaded:
    if name not in HERE:
        pytest.skip(f"{name} is not on this machine: set MEDCOURSE_DATA, or run `medcourse-data get {name}`")
    return registry.load(name, download=False, progress=False)


def test_no_set_is_absent() -> None:
    """One line for all sets that the tests below pass over."""
    absent = [name for name in LOADABLE if name not in HERE]
    if absent:
        pytest.skip(f"not on this machine (set MEDCOURSE_DATA, or run `medcourse-data get NAME`): {', '.join(absent)}")


@pytest.mark.parametrize("name", HERE)
def test_every_file_at_hand_is_a_registered_one(name: str) -> None:
    verdicts = registry.verify(name)
    assert len(verdicts) >= len(registry.describe(name).files)
    assert all(verdict.ok for verdict in verdicts), verdicts
    named = {state.provenance for file in registry.describe(name).files for state in file.accept}
    assert {verdict.source for verdict in verdicts} <= named


@pytest.mark.parametrize("name", [name for name in HERE if "mnist" in name])
def test_medmnist_has_the_registered_shapes_splits_and_classes(name: str) -> None:
    loaded, info = load(name), registry.describe(name)
    assert isinstance(loaded, registry.ImageSet)
    assert loaded.classes == info.classes
    for split, count in info.splits.items():
        images, labels = getattr(loaded, split)
        assert images.shape == (count, *info.shape)
        assert images.dtype == np.uint8
        assert labels.shape == (count,)
        counts = np.bincount(labels, minlength=len(info.classes)).tolist()
        assert len(counts) == len(info.classes)
        if info.counts and split in info.counts:
            assert tuple(counts) == info.counts[split]
        assert images.std() > 10  # pictures, not blanks


def test_breastmnist_is_told_for_what_it_is() -> None:
    loaded = load("breastmnist")
    digest = hashlib.sha256(registry.fetch("breastmnist", download=False)[0].read_bytes()).hexdigest()
    if digest == "ce5b81972a53a35bac77bc672ec94ce0dcf0ea03bfc5e57283c5fb34c98e5c69":
        assert "not the official bytes" in loaded.source
    else:
        assert loaded.source.startswith("official file")
    assert loaded.test.labels.mean() > 0.7  # the common class, 1, is the healthy one


def test_pneumoniamnist_has_fewer_of_the_ill_in_its_test_set() -> None:
    loaded = load("pneumoniamnist")
    assert loaded.val.labels.mean() - loaded.test.labels.mean() > 0.1


def test_hippocampus_volumes_have_labels_geometry_and_anatomy() -> None:
    volumes = load("msd_hippocampus")
    assert len(volumes) == registry.describe("msd_hippocampus").splits["train"]
    assert volumes[-1].name == volumes.names[-1]
    for volume in (*volumes[:20], *volumes[-3:]):
        assert volume.image.shape == volume.mask.shape
        assert volume.image.dtype == np.float32
        assert volume.mask.dtype == np.uint8
        assert volume.spacing_mm == (1.0, 1.0, 1.0)
        assert set(np.unique(volume.mask)) == {0, 1, 2}
        place = [np.argwhere(volume.mask == label).mean(axis=0) for label in (1, 2)]
        assert place[0][1] < place[1][1]  # y grows towards the back: the head of the hippocampus lies before its tail
        assert place[0][0] < place[1][0]  # z grows upwards, and the tail lies higher than the head
        ml = (volume.mask > 0).sum() / 1000
        assert 1.5 < ml < 6  # an adult hippocampus
    with pytest.raises(IndexError):
        volumes[len(volumes)]


def test_lung_patches_have_masks_and_lost_their_units() -> None:
    patches, info = load("msd_lung_patches"), registry.describe("msd_lung_patches")
    for split in ("val", "test"):
        images, masks = getattr(patches, split)
        assert images.shape == (info.splits[split], *info.shape)
        assert masks.shape == images.shape[:3]
        assert images.dtype == np.float32
        assert (images.min(), images.max()) == (0, 1)
        assert set(np.unique(masks)) == {0, 1}
        assert images[..., 0][masks == 1].mean() > images[..., 0][masks == 0].mean()  # tumour is denser than lung
    assert patches.spacing_mm == (2.0, 2.0)


def test_blood_cells_have_the_registered_boxes_in_their_splits() -> None:
    cells, info = load("bccd"), registry.describe("bccd")
    assert len(cells) == sum(info.splits.values()) == 364
    assert {split: len(items) for split, items in cells.splits.items()} == info.splits
    assert sorted(itertools.chain(*cells.splits.values())) == list(range(364))  # each image once
    single = 0
    for split, items in cells.splits.items():
        labels = np.concatenate([cells.annotations(k)[1] for k in items])
        assert tuple(np.bincount(labels)) == info.counts[split]
        boxes = np.concatenate([cells.annotations(k)[0] for k in items])
        assert boxes.min() >= 0
        assert (boxes[:, 2] <= 480).all()
        assert (boxes[:, 3] <= 640).all()
        sides = boxes[:, 2:] - boxes[:, :2]
        assert (sides > 0).all()
        single += int((sides == 1).all(axis=1).sum())
    assert single == 2  # the known flaw
    one = cells[0]
    assert one.image.shape == info.shape
    top, left, bottom, right = one.boxes[one.labels == 1][0]
    inside, image = one.image[top:bottom, left:right].astype(float), one.image.astype(float)
    # A stained white cell is violet, with less green than the picture: so rows, columns and colours are in order.
    assert inside[..., 1].mean() < image[..., 1].mean() - 10
    assert inside[..., 2].mean() - inside[..., 1].mean() > image[..., 2].mean() - image[..., 1].mean() + 10


def test_nuclei_are_the_registered_number_of_images_and_masks() -> None:
    images = load("dsb2018_nuclei")
    assert len(images) == registry.describe("dsb2018_nuclei").splits["stage1_train"]
    keys = [key.split("/") for key, _ in _members.stream(images._path, images._select)]
    assert Counter(kind for _, kind, _ in keys) == {"images": 664, "masks": 28_986}
    masks = Counter(name for name, kind, _ in keys if kind == "masks")
    some = list(itertools.islice(images, 40))
    for one in some:
        assert one.image.shape == (*one.nuclei.shape, 3)
        sizes = np.bincount(one.nuclei.ravel(), minlength=masks[one.name] + 1)
        assert len(sizes) == masks[one.name] + 1
        assert (sizes[1:] > 0).all()  # no mask hides another
    assert [one.name for one in itertools.islice(images, 3)] == [one.name for one in some[:3]]  # it can be read again


def test_the_record_has_the_registered_beats_and_is_an_ecg() -> None:
    ecg, info = load("ecg_mitdb"), registry.describe("ecg_mitdb")
    symbols, counts = np.unique(ecg.symbols, return_counts=True)
    found = dict(zip(symbols.tolist(), counts.tolist(), strict=True))
    listed = dict(zip((text[0] for text in info.classes), info.counts["record_100"], strict=True))
    assert found == listed
    assert len(ecg.beats) == info.splits["record_100"]
    assert (ecg.record, ecg.rate_hz, ecg.leads) == ("100", 360, ("MLII", "V5"))
    assert ecg.signal.shape == (650_000, 2)
    assert ecg.signal.dtype == np.float32
    assert ecg.notes[ecg.symbols == "+"].tolist() == ["(N"]
    normal = ecg.beats[(ecg.symbols == "N") & (ecg.beats > 50) & (ecg.beats < 649_950)]
    beat = ecg.signal[normal[:, None] + np.arange(-40, 41), 0].mean(axis=0)
    assert abs(int(beat.argmax()) - 40) <= 2  # annotations stand on the R wave
    assert 0.5 < beat.max() - np.median(beat) < 3  # millivolts
    pulse = 60 * ecg.rate_hz / np.median(np.diff(ecg.beats))
    assert 60 < pulse < 90


def test_the_listed_checksums_are_those_of_the_files() -> None:
    """Where the folder brings its own SHA256SUMS, the registry agrees with it."""
    folder = registry.data_folder()
    if folder is None or not (folder / "SHA256SUMS").is_file():
        pytest.skip("MEDCOURSE_DATA names no folder with SHA256SUMS: nothing to compare with")
    listed = dict(reversed(line.split("  ", 1)) for line in (folder / "SHA256SUMS").read_text().splitlines())
    compared = 0
    for name in LOADABLE:
        for file in registry.describe(name).files:
            for place in file.places:
                if place in listed:
                    assert listed[place] in {state.sha256 for state in file.accept}, place
                    compared += 1
            folders = {Path(place) for place in file.places if (folder / place).is_dir()}
            for place in folders:
                lines = [path for path in listed if Path(path).is_relative_to(place) and "LICENSE" not in path]
                assert len(lines) == file.accept[-1].count
                compared += 1
    assert compared >= 9
