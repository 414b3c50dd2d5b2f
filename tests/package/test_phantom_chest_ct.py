"""The chest phantoms obey the physics they state: CT numbers, sizes, trees, dose; and no impossible chest occurs."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medcourse.data.phantoms import Phantoms, Scanner, Site, chest_ct_slices, chest_ct_volumes
from medcourse.data.phantoms._chest_anatomy import draw_chest, lung_box, lung_depth
from medcourse.data.phantoms._chest_draw import ANATOMY, Grid, Outlines
from medcourse.data.phantoms._chest_marks import MASK
from medcourse.data.phantoms._chest_patient import Settings, draw_scene, prepare
from medcourse.data.phantoms._chest_render import draw_anatomy, render
from medcourse.data.phantoms._chest_tree import fill, splat, straight
from medcourse.data.phantoms._ct_noise import CUTOFF, back_project, fbp_noise, project, projection_noise

SILENT = (Site(scanner=Scanner(noise=0)),)
AIR, SOFT, LUNG, BLOOD, BONE, AIRWAY, FAT = range(7)
REACH = {"progress": False, "sites": SILENT}


def shrink(mask: np.ndarray, times: int) -> np.ndarray:
    """Erode in the plane, so that partial volume is left out."""
    return ndimage.binary_erosion(mask, np.ones((1, 3, 3)), iterations=times)


@cache
def plain() -> Phantoms:
    """Slices of 24 patients without noise and without anything at the mark."""
    return chest_ct_slices(24, seed=5, slices_per_patient=1, difficulty=0, emphysema=0.0, **REACH)


# From tables of CT numbers (Schneider et al. 2000; fat: Pop and Maruseri 2023, -123 to -89 HU), with the phantom's
# spread of patients; bone has cortex and marrow, and the wall of the vertebrae's canal.
@pytest.mark.parametrize(
    ("tissue", "low", "high", "erode"),
    [(SOFT, 20, 110, 3), (LUNG, -960, -780, 4), (BLOOD, 25, 65, 4), (FAT, -125, -80, 3), (AIRWAY, -1000, -980, 2)],
)
def test_tissues_have_their_ct_numbers(tissue: int, low: float, high: float, erode: int) -> None:
    drawn = plain()
    inside = shrink(drawn.anatomy == tissue, erode)
    middle = ndimage.median_filter(drawn.images[..., 0], size=(1, 3, 3))[inside]
    assert len(middle) > 200
    assert ((middle > low) & (middle < high)).mean() > 0.98
    per_patient = [np.median(x[m]) for x, m in zip(drawn.images[..., 0], inside, strict=True) if m.sum() > 20]
    assert low <= min(per_patient) <= max(per_patient) <= high
    assert len(per_patient) > 8


def test_bone_is_brighter_than_all_soft_tissue_and_air_is_air() -> None:
    drawn = plain()
    hu = drawn.images[..., 0]
    bone = shrink(drawn.anatomy == BONE, 1)
    assert np.median(hu[bone]) > 110  # marrow of a person of 60 (Jang et al. 2019)
    assert np.percentile(hu[drawn.anatomy == BONE], 90) > 400
    corner = hu[:, :20, :20]
    np.testing.assert_allclose(corner, -1000, atol=0.2)


def test_dependent_lung_is_denser() -> None:
    drawn = plain()
    inside = shrink(drawn.anatomy == LUNG, 4)
    y = np.broadcast_to(np.arange(256)[None, :, None], inside.shape) * 360 / 256
    slope = [
        np.polyfit(y[k][inside[k]], np.minimum(drawn.images[k, ..., 0][inside[k]], -700), 1)[0]
        for k in range(24)
        if inside[k].sum() > 2000
    ]
    assert 0.1 < np.mean(slope) < 0.5  # HU per mm: some 20 to 60 HU from front to back


def test_contrast_agent_reaches_blood_and_nothing_else() -> None:
    few: dict[str, Any] = {"seed": 5, "slices_per_patient": 1, "difficulty": 0, **REACH}
    before, after = chest_ct_slices(6, **few), chest_ct_slices(6, iodine_hu=200, **few)
    change = (after.images - before.images)[..., 0]
    assert np.percentile(change[shrink(before.anatomy == BLOOD, 3)], 75) == pytest.approx(200, abs=1)
    for tissue in (FAT, BONE, LUNG):
        assert np.median(np.abs(change[shrink(before.anatomy == tissue, 1)])) < 0.5


def test_emphysema_lowers_the_density_of_the_lung() -> None:
    few: dict[str, Any] = {"seed": 5, "slices_per_patient": 1, "difficulty": 0, **REACH}
    share = []
    for emphysema in (0.0, 1.0):
        drawn = chest_ct_slices(16, emphysema=emphysema, **few)
        assert ((drawn.table["emphysema"] > 0) == (emphysema > 0)).all()
        share.append((drawn.images[..., 0][shrink(drawn.anatomy == LUNG, 2)] < -950).mean())
    assert share[0] < 0.03
    assert share[1] > 3 * share[0] + 0.02


@cache
def blocks(kind: str) -> tuple[Phantoms, Phantoms]:
    """Blocks of 1 mm around nodules of one kind at medium, and without them."""
    shares = {"solid": (1.0, 0.0, 0.0), "part_solid": (0.0, 1.0, 0.0), "ground_glass": (0.0, 0.0, 1.0)}
    ask: dict[str, Any] = {
        "seed": 3, "size": 32, "spacing_mm": 1.0, "around": "mark", "prevalence": 1.0, "kinds": shares[kind],
        "diameter_mm": (8.0, 18.0), **REACH,
    }  # fmt: skip
    return chest_ct_volumes(14, **ask), chest_ct_volumes(14, difficulty=0, **ask)


@pytest.mark.parametrize("kind", MASK)
def test_nodules_have_the_contrast_and_the_size_that_the_table_says(kind: str) -> None:
    shown, hidden = blocks(kind)
    change = (shown.images - hidden.images)[..., 0]
    ratio, volume = [], []
    for k, lesion in shown.lesions.iterrows():
        mask = shown.masks[lesion["image"]]
        outer = mask == MASK[kind]
        inner = ndimage.binary_erosion(mask > 0, iterations=2) & outer
        free = inner & (hidden.anatomy[lesion["image"]] == LUNG)
        if kind == "part_solid":
            free &= ~ndimage.binary_dilation(mask == 4, iterations=2)
        if free.sum() > 5:
            ratio.append(np.median(change[lesion["image"]][free]) / lesion["contrast_hu"])
        if lesion["place"] == "isolated":
            volume.append((mask > 0).sum() / (np.pi / 6 * lesion["diameter_mm"] ** 3))
        assert k >= 0
    assert len(ratio) > 3
    assert np.median(ratio) == pytest.approx(1, abs=0.06)
    assert np.median(volume) == pytest.approx(1, abs=0.05)
    assert 0.85 < min(volume) <= max(volume) < 1.15
    level = {"solid": (0, 60), "part_solid": (-760, -450), "ground_glass": (-760, -450)}[kind]
    reached = shown.lesions["contrast_hu"] + shown.table["lung_hu"].to_numpy()[shown.lesions["image"]]
    assert reached.between(*level).all()


def test_solid_cores_have_the_stated_share() -> None:
    shown, hidden = blocks("part_solid")
    share = []
    for _, lesion in shown.lesions[shown.lesions["place"] == "isolated"].iterrows():
        mask = shown.masks[lesion["image"]]
        share.append(((mask == 4).sum() / (mask > 0).sum()) ** (1 / 3) / lesion["core"])
        assert 0.35 <= lesion["core"] <= 0.65
        core = ndimage.binary_erosion(mask == 4)
        if core.sum() > 10:  # solid by the threshold of -160 HU (Lee et al. 2018)
            assert np.median(shown.images[lesion["image"], ..., 0][core]) > -160
    assert np.median(share) == pytest.approx(1, abs=0.06)
    assert (hidden.masks == 0).all()


def test_thick_slices_average_small_nodules_away() -> None:
    ask: dict[str, Any] = {
        "seed": 3, "size": 32, "around": "mark", "slices_per_patient": 1, "prevalence": 1.0, "kinds": (1, 0, 0),
        "diameter_mm": (4.0, 5.0), **REACH,
    }  # fmt: skip
    peak = []
    for thickness in (1.0, 8.0):
        shown, hidden = (chest_ct_slices(10, thickness_mm=thickness, difficulty=d, **ask) for d in ("medium", 0))
        change = (shown.images - hidden.images)[:, 12:20, 12:20, 0].max(axis=(1, 2))
        peak.append(np.median(change / shown.lesions.groupby("image")["contrast_hu"].first().to_numpy()))
    assert peak[0] > 0.75
    assert peak[1] < 0.6 * peak[0]


def test_vessels_taper_and_connect() -> None:
    anatomy = draw_anatomy(np.random.default_rng(2), emphysema=0)
    for tree in anatomy.arteries:
        child = np.flatnonzero(tree.parent >= 0)
        parent = tree.parent[child]
        np.testing.assert_allclose(tree.start[child], tree.end[parent], atol=1e-12)
        assert (tree.generation[child] == tree.generation[parent] + 1).all()
        cubes = np.bincount(parent, tree.radius[child, 0] ** 3)
        inner = np.flatnonzero(cubes)
        np.testing.assert_allclose(cubes[inner], tree.radius[inner, 1] ** 3, rtol=1e-9)  # Murray 1926
        assert (np.bincount(parent)[inner] == 2).all()
        assert (tree.radius[child, 0] < tree.radius[parent, 1]).all()
        median = [np.median(tree.radius[tree.generation == g]) for g in range(10)]
        assert (np.diff(median) < 0).all()
        late = tree.generation >= 3
        assert (lung_depth(anatomy.chest, tree.end[late]) > -2).mean() > 0.97
    bronchi = anatomy.bronchi
    child = np.flatnonzero(bronchi.parent >= 0)
    np.testing.assert_allclose(bronchi.start[child], bronchi.end[bronchi.parent[child]], atol=1e-12)
    assert 2.5 < bronchi.radius[bronchi.parent < 0].mean() < 7  # lobar bronchi, mm


def test_drawing_a_tube_keeps_its_volume() -> None:
    tube = straight(np.array([[-12.0, 3.0, -14.0]]), np.array([[11.0, -6.0, 15.0]]), np.array([[3.0, 3.0]]))
    cloud = fill(tube, step_mm=0.8, z_range=(-40.0, 40.0))
    length = float(np.linalg.norm(tube.end - tube.start))
    assert cloud.volume.sum() == pytest.approx(np.pi * 9 * length, rel=1e-9)
    cover = splat(cloud, z=np.arange(-30, 31.0), centre=(0, 0), shape=(61, 61), size_mm=np.ones(3))
    assert cover.sum() == pytest.approx(np.pi * 9 * length, rel=0.02)
    assert cover.max() > 0.95


def test_noise_has_the_spectrum_of_filtered_back_projection() -> None:
    spacing = 360 / 256
    noise = fbp_noise(np.random.default_rng(0), (60, 128, 128), spacing)
    assert noise.std() == pytest.approx(1, rel=0.01)
    power = (np.abs(np.fft.fft2(noise)) ** 2).mean(axis=0)
    axis = np.fft.fftfreq(128, spacing)
    radius = np.hypot(axis[:, None], axis[None])
    ring = [power[np.abs(radius - f) < 0.012].mean() for f in (0.03, 0.1, 0.2, 0.3)]
    expected = np.array([0.03, 0.1, 0.2, 0.3]) * np.cos(np.pi * np.array([0.03, 0.1, 0.2, 0.3]) / (2 * CUTOFF)) ** 4
    np.testing.assert_allclose(ring / ring[2], expected / expected[2], rtol=0.12)
    assert power[0, 0] < 1e-4 * ring[2]


def test_slices_have_the_requested_noise() -> None:
    ask: dict[str, Any] = {"seed": 1, "slices_per_patient": 1, "size": 128, "progress": False}
    silent = chest_ct_slices(4, sites=SILENT, **ask)
    noisy = chest_ct_slices(4, noise_hu=40.0, **ask)
    added = (noisy.images - silent.images)[..., 0]
    assert added.std() == pytest.approx(40, rel=0.03)
    assert abs(added.mean()) < 0.1
    assert noisy.table["noise_hu"].eq(40).all()


def water(size: int, spacing: float) -> np.ndarray:
    y, x = np.indices((size, size)) - (size - 1) / 2
    disc = np.clip((150 / spacing - np.hypot(x, y)) + 0.5, 0, 1)
    return (1000 * (disc - 1)).astype(np.float32)


def test_own_projector_agrees_with_that_of_scikit_image() -> None:
    from skimage.transform import radon

    size = 129  # odd: scikit-image turns about the middle pixel
    y, x = np.indices((size, size)) - (size - 1) / 2
    image = np.exp(-(((x - 11) / 21) ** 2) - ((y + 7) / 12) ** 2).astype(np.float32)
    own = project(image, views=36)[:, 1:-1]
    other = radon(image.astype(np.float64), np.arange(36) * 5.0, circle=False).T
    backwards = np.concatenate([other[:1], other[:0:-1, ::-1]])  # scikit-image turns the other way
    np.testing.assert_allclose(own, backwards, atol=1e-4 * other.max())
    again = back_project((project(image, views=180) * 2.0).astype(np.float32), size=size, spacing_mm=2.0)
    assert np.abs(again - image)[20:-20, 20:-20].mean() < 0.01


def test_low_dose_noise_follows_the_photons() -> None:
    hu = water(96, 4.0)
    many = {
        dose: np.array(
            [
                projection_noise(np.random.default_rng([k, 1]), hu, spacing_mm=4.0, noise_hu=20, dose=dose, views=128)
                for k in range(24)
            ]
        )
        for dose in (1.0, 0.25)
    }
    core, rim = (slice(None), slice(43, 53), slice(43, 53)), (slice(None), slice(43, 53), slice(13, 20))
    assert many[1.0][core].std() == pytest.approx(20, rel=0.1)  # as stated for the middle of 300 mm of water
    np.testing.assert_allclose(many[0.25], 2 * many[1.0], rtol=1e-3, atol=1e-2)  # a quarter of the dose: twice
    assert many[1.0][core].std() > 1.3 * many[1.0][rim].std()
    assert abs(many[1.0][core].mean()) < 1.5


def test_low_dose_leaves_ct_numbers_and_is_worst_in_the_middle() -> None:
    ask: dict[str, Any] = {"seed": 0, "slices_per_patient": 1, "size": 128, "noise_hu": 40.0, "progress": False}
    silent = chest_ct_slices(6, **{**ask, "sites": SILENT})
    noisy = {dose: chest_ct_slices(6, low_dose=dose, **ask) for dose in (1.0, 0.25)}
    for dose, drawn in noisy.items():
        added = (drawn.images - silent.images)[..., 0]
        for tissue in (SOFT, LUNG, FAT):
            assert abs(added[silent.anatomy == tissue].mean()) < 1.5 / np.sqrt(dose)
    first, second = ((noisy[dose].images - silent.images)[..., 0] for dose in (1.0, 0.25))
    np.testing.assert_allclose(second.std() / first.std(), 2, rtol=0.01)  # 1 over the root of the dose
    np.testing.assert_array_equal(silent.masks, noisy[1.0].masks)
    body = silent.anatomy > 0
    middle = np.zeros_like(body)
    middle[:, 54:74, 54:74] = True
    assert first[middle].std() > 1.2 * first[body & ~ndimage.binary_erosion(body, np.ones((1, 9, 9)))].std()


def test_low_dose_streaks_along_the_line_of_the_shoulders() -> None:
    """Few photons come through from side to side, so the noise there varies from row to row, not along them."""
    grid = Grid((0.0, 0.0), (128, 128), 360 / 128)
    patient = draw_anatomy(np.random.default_rng(3), emphysema=0)
    ratio = {}
    for z in (92.0, -40.0):
        scene = render(np.random.default_rng(0), patient, [], np.array([z]), grid, thickness_mm=2.5, blur_mm=0.8)
        noise = [
            projection_noise(
                np.random.default_rng(k), scene.hu[0], spacing_mm=grid.spacing, noise_hu=30, dose=0.5, views=192
            )
            for k in range(6)
        ]
        power = (np.abs(np.fft.fft2(np.array(noise)[:, 44:84, 44:84])) ** 2).mean(axis=0)
        ratio[z] = power[3:13, 0].sum() / power[0, 3:13].sum()
    assert ratio[92.0] > 2
    assert ratio[92.0] > 1.5 * ratio[-40.0]


def test_neighbouring_slices_agree() -> None:
    ask: dict[str, Any] = {"seed": 4, "size": 128, "slices_per_patient": 2, **REACH}

    def difference(gap: float) -> float:
        images = chest_ct_slices(6, slice_gap_mm=gap, **ask).images[..., 0].reshape(6, 2, 128, 128)
        return float(np.abs(images[:, 1] - images[:, 0]).mean())

    near, far = difference(0.5), difference(12.0)
    assert near < 6
    assert near < 0.25 * far
    table = chest_ct_slices(2, slice_gap_mm=3.0, seed=4, size=64, **REACH).table
    np.testing.assert_allclose(np.diff(table["z_mm"])[[0, 1, 3, 4]], -3.0)
    assert (table["offset_mm"].to_numpy()[1::3].__abs__() <= 0.6).all()


def test_slices_and_volumes_show_the_same_patients() -> None:
    ask: dict[str, Any] = {"seed": 9, "around": "mark", "spacing_mm": 1.4, **REACH}
    volumes = chest_ct_volumes(3, size=(17, 32, 32), **ask)
    slices = chest_ct_slices(3, size=32, slices_per_patient=1, thickness_mm=1.4, **ask)
    for name in ("finding", "place", "mark_z_mm", "sex", "age", "lung_hu", "truth"):
        assert (volumes.table[name].to_numpy() == slices.table[name].to_numpy()).all()
    for volume, image in zip(volumes.images[..., 0], slices.images[..., 0], strict=True):
        assert np.corrcoef(volume[8].ravel(), image.ravel())[0, 1] > 0.93


def test_lungs_have_the_volume_of_adults() -> None:
    """4.47 ± 1.27 l in 564 adults on CT (Cheng et al. 2019); here the lungs with their vessels."""
    rng = np.random.default_rng(0)
    litres = []
    for k in range(60):
        chest = draw_chest(np.random.default_rng([7, k]), emphysema=0.2)
        total = 0.0
        for side in (-1, 1):
            low, high = lung_box(chest, side)
            points = low + (high - low) * rng.random((4000, 3))
            total += (lung_depth(chest, points) > 0).mean() * np.prod(high - low) / 1e6
        litres.append(total)
    assert min(litres) > 2.2
    assert max(litres) < 7.5
    assert np.mean(litres) == pytest.approx(4.47, abs=0.6)


@pytest.mark.parametrize("seed", range(4))
def test_formula_of_the_lungs_agrees_with_their_picture(seed: int) -> None:
    chest = draw_chest(np.random.default_rng(seed), emphysema=0)
    z = np.linspace(-140, 70, 15)
    outlines = Outlines(chest, z, Grid((0.0, 0.0), (90, 90), 4.0))
    drawn = np.array([ANATOMY[outlines.paint(k)[::2, ::2]] == LUNG for k in range(len(z))])
    at = (np.arange(90) - 44.5) * 4.0
    points = np.stack(np.meshgrid(z, at, at, indexing="ij")[::-1], axis=-1).reshape(-1, 3)
    depth = lung_depth(chest, points).reshape(drawn.shape)
    assert drawn[depth > 6].mean() > 0.985
    assert drawn[depth < -6].mean() < 0.02


def ask_for(seed: int, **changed: Any) -> Settings:
    given = {
        "seed": seed, "shape": (5, 40, 40), "spacing_mm": 1.6, "gap_mm": 2.5, "thickness_mm": 2.5, "around": "mark",
        "volume": False, "kinds": (1.0, 1.0, 1.0), "diameter_mm": (4.0, 20.0), "nodules": (1, 1), "emphysema": 0.2,
        "iodine_hu": 0.0, "blur_mm": 0.8, "noise_hu": 0.0, "low_dose": None,
    }  # fmt: skip
    return Settings(**{**given, **changed})


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**20),
    low=st.floats(2, 20),
    more=st.floats(0, 10),
    thickness=st.floats(0.5, 8),
    amplitude=st.floats(0.05, 5),
)
def test_no_nodule_lies_outside_the_lung(
    seed: int, low: float, more: float, thickness: float, amplitude: float
) -> None:
    asked = ask_for(seed, diameter_mm=(low, low + more), thickness_mm=thickness)
    parts = prepare(asked, 0, amplitude)
    scene = draw_scene(asked, parts, diseased=True, scanner=Scanner())
    nodule = scene.masks > 0
    assert nodule.any()
    assert (scene.lung[nodule] > 0.02).all()
    if nodule.sum() > 1:
        assert (scene.lung[nodule] > 0.5).all()
    assert lung_depth(parts.patient.chest, parts.nodules[0].centre[None])[0] > 0
    brightest = scene.hu[ndimage.binary_erosion(nodule)]
    assert not len(brightest) or np.median(brightest) < 130


@settings(max_examples=25)
@given(seed=st.integers(0, 2**20))
def test_no_impossible_chest(seed: int) -> None:
    chest = draw_chest(np.random.default_rng(seed), emphysema=0.5)
    z = np.array([-140.0, -100, -60, -20, 20, 60])
    outlines = Outlines(chest, z, Grid((0.0, 0.0), (90, 90), 4.0))
    for k in range(len(z)):
        anatomy = ANATOMY[outlines.paint(k)[::2, ::2]]
        body = ndimage.binary_fill_holes(anatomy > 0)
        _, count = ndimage.label(body)
        assert count == 1
        assert not np.concatenate([body[0], body[-1], body[:, 0], body[:, -1]]).any(), "fits into the field"
        rim = body & ~ndimage.binary_erosion(body, iterations=2)
        assert not ((anatomy == LUNG) & rim).any()
        assert not ((anatomy == BLOOD) & rim).any()
        if -100 <= z[k] <= 20:
            lungs, sides = ndimage.label(anatomy == LUNG)
            sizes = np.sort(np.bincount(lungs.ravel())[1:])[::-1]
            assert sides >= 2
            assert sizes[1] > 0.3 * sizes[0], "two lungs, of similar size"
            left = (anatomy == BLOOD)[:, 45:].sum() - (anatomy == BLOOD)[:, :45].sum()
            assert z[k] > -60 or left > 0, "the heart lies to the left: right in the picture"


def test_every_patient_has_what_mimics_a_nodule() -> None:
    kinds, others = set(), 0
    for patient in range(60):
        parts = prepare(ask_for(11), patient, 1.0)
        others += len(parts.others)
        kinds |= {(parts.mimic.place, parts.mimic.kind)} | {("other", mark.kind) for mark in parts.others}
        for mark in (parts.mimic, *parts.others):
            if mark.kind == "granuloma":
                assert mark.contrast + parts.patient.chest.lung_hu > 200  # calcified
    assert others > 60
    assert {kind for _, kind in kinds} == {"vessel", "bifurcation", "granuloma", "thickening", "band"}
    assert ("pleural", "vessel") not in kinds


def test_mimics_are_drawn_alike_for_ill_and_healthy() -> None:
    a, b = (chest_ct_slices(12, seed=2, size=64, prevalence=p, difficulty=0, progress=False) for p in (0.0, 1.0))
    np.testing.assert_array_equal(a.images, b.images)
    np.testing.assert_array_equal(a.table[["mark_row", "mark_z_mm"]], b.table[["mark_row", "mark_z_mm"]])


def test_several_nodules_keep_their_distance() -> None:
    drawn = chest_ct_volumes(5, seed=2, size=48, prevalence=1.0, nodules=(2, 5), progress=False)
    found = drawn.lesions.groupby("image").size()
    assert found.max() > 2
    for _, rows in drawn.lesions.groupby("image"):
        places = rows[["plane", "row", "column"]].to_numpy(np.float64) * drawn.spacing_mm[0]
        away = np.linalg.norm(places[:, None] - places[None], axis=2)
        assert (away[~np.eye(len(rows), dtype=bool)] > 30).all()
        values = drawn.masks[rows["image"].iloc[0]]
        for plane, row, column in rows[["plane", "row", "column"]].round().astype(int).to_numpy():
            near = (slice(max(axis - 2, 0), axis + 3) for axis in (plane, row, column))
            assert values[tuple(near)].any()


def test_truth_is_what_the_slice_shows() -> None:
    drawn = chest_ct_slices(20, seed=6, size=128, slices_per_patient=7, diameter_mm=(4, 10), progress=False)
    truth = drawn.table["truth"].to_numpy()
    np.testing.assert_array_equal(drawn.masks.any(axis=(1, 2)), truth == 1)
    per_patient = drawn.table.groupby("patient")[["truth", "diseased"]].max()
    assert (per_patient["truth"] == per_patient["diseased"]).all()
    assert truth.mean() < drawn.table["diseased"].mean()  # slices beside the nodule do not show it
    hidden = chest_ct_slices(20, seed=6, size=128, slices_per_patient=7, diameter_mm=(4, 10), difficulty=0)
    np.testing.assert_array_equal(hidden.table["truth"], truth)


BAD = {
    "size": 8, "slices_per_patient": 0, "spacing_mm": 0.0, "thickness_mm": 0.0, "slice_gap_mm": 0.0, "around": "heart",
    "kinds": (0, 0, 0), "diameter_mm": (1, 50), "emphysema": 2, "noise_hu": -1, "blur_mm": -1, "iodine_hu": -5,
    "low_dose": 0,
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_one_clear_line(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}") as caught:
        chest_ct_slices(1, **{name: BAD[name]})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 4},
        {"size": (8, 8)},
        {"nodules": (0, 1)},
        {"low_dose": 0.5, "around": "mark"},
        {"low_dose": 0.5, "size": (32, 64, 96)},
    ],
)
def test_bad_volumes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(wrong))}"):
        chest_ct_volumes(1, **wrong)
