"""The brain phantoms obey the physics they state: signals, noise, bias, invertible warps; tumours stay in the brain."""

from __future__ import annotations

import inspect
import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats
from sklearn.metrics import roc_auc_score

from medcourse.data.phantoms import (
    MR_SEQUENCES,
    MR_TISSUES,
    MrSequence,
    MrTissue,
    Phantoms,
    Scanner,
    Site,
    brain_mr,
    brain_mr_volumes,
    mr_signal,
)
from medcourse.data.phantoms._brain_lesions import KINDS, reach, shells
from medcourse.data.phantoms._brain_patient import Head, Settings, draw_head
from medcourse.data.phantoms._brain_signal import add_rician_noise, signal_table
from medcourse.data.phantoms._brain_template import (
    ORIGIN,
    brain_template,
    sample_hull,
    sample_tissue,
    template,
)
from medcourse.data.phantoms._brain_warp import (
    CELL,
    LOWEST,
    NODES,
    displaced,
    draw_warp,
    exponential,
    posed,
    pushed,
    to_patient,
    upsample,
)
from medcourse.data.phantoms._cohort import patient_rng

AIR, CSF, GREY, WHITE, BONE, SCALP = range(6)
CORE, OEDEMA, RIM = 1, 2, 3
SILENT: dict[str, Any] = {"sites": (Site(scanner=Scanner(noise=0, blur=0.05)),), "bias": 0, "progress": False}
PLAIN = Settings(0, 1.0, KINDS, (8.0, 45.0), 0.5, 1.0)


def shrink(mask: np.ndarray, times: int = 1) -> np.ndarray:
    """Erode in the plane, so that partial volume is left out."""
    return ndimage.binary_erosion(mask, np.ones((1, 3, 3)), iterations=times)


@cache
def silent() -> Phantoms:
    """Slices of 12 patients without noise, bias, blur, lesions that mimic, or tumours."""
    return brain_mr(
        12, size=128, slices_per_patient=1, slice_mm=1, difficulty=0, mimics=0, hyperintensities=0, **SILENT
    )


@cache
def heads(count: int = 6, **changes: Any) -> list[Head]:
    return [draw_head(patient_rng(k, k), PLAIN._replace(**changes)) for k in range(count)]


# Signals


@pytest.mark.parametrize("tissue", ["csf", "grey", "white", "fat"])
def test_signals_are_those_of_the_closed_form(tissue: str) -> None:
    t1, t2, density, _ = MR_TISSUES[tissue]
    e = math.e
    assert mr_signal(tissue, "T1") == pytest.approx(density * (1 - e ** (-450 / t1)) * e ** (-10 / t2), rel=1e-12)
    assert mr_signal(tissue, "T2") == pytest.approx(density * (1 - e ** (-4500 / t1)) * e ** (-100 / t2), rel=1e-12)
    inverted = density * (1 - 2 * e ** (-1704 / t1) + e ** (-9000 / t1)) * e ** (-120 / t2)
    assert mr_signal(tissue, "FLAIR") == pytest.approx(inverted, rel=1e-12)
    never = MrSequence(name="x", tr_ms=1e6, te_ms=0.1)
    assert mr_signal(MrTissue(t1, 1e6, 0.9), never) == pytest.approx(0.9, rel=1e-4)


def test_inversion_recovery_bloch_simulation_agrees() -> None:
    """Independent: integrate the relaxation of the longitudinal magnetisation over many repetitions."""
    t1, t2, density, _ = MR_TISSUES["grey"]
    tr, ti, te = 3000.0, 700.0, 5.0
    step, m = 0.5, density
    read = 0.0
    for _ in range(6):
        m = -m
        for k in range(int(tr / step)):
            if k == int(ti / step):
                read, m = m, 0.0
            m += step * (density - m) / t1
    simulated = read * math.exp(-te / t2)
    assert mr_signal("grey", MrSequence(name="x", tr_ms=tr, te_ms=te, ti_ms=ti)) == pytest.approx(simulated, rel=5e-3)


def test_flair_inverts_for_as_long_as_nulls_the_fluid() -> None:
    t1 = MR_TISSUES["csf"].t1_ms
    flair = MR_SEQUENCES["FLAIR"]
    assert flair.ti_ms == pytest.approx(t1 * (math.log(2) - math.log(1 + math.exp(-flair.tr_ms / t1))), abs=1)
    assert abs(mr_signal("csf", "FLAIR")) < 0.002 * mr_signal("white", "FLAIR")


def test_gadolinium_shortens_t1_by_its_relaxivity() -> None:
    plain, after = (MrSequence(name="x", tr_ms=600, te_ms=0.1, gadolinium=given) for given in (False, True))
    for name in ("glioma", "meningioma", "vein", "white"):
        tissue = MR_TISSUES[name]._replace(t2_ms=1e6, density=1.0)
        rates = [-math.log(1 - mr_signal(tissue, sequence)) / 0.6 for sequence in (plain, after)]
        assert rates[1] - rates[0] == pytest.approx(4.78 * tissue.uptake_mm, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("contrast", "order"), [("T1", (WHITE, GREY, CSF)), ("T2", (CSF, GREY, WHITE)), ("FLAIR", (GREY, WHITE, CSF))]
)
def test_tissues_come_in_their_order(contrast: str, order: tuple[int, int, int]) -> None:
    drawn = silent()
    image = drawn.images[..., ["T1", "T2", "FLAIR"].index(contrast)]
    level = {tissue: np.median(image[shrink(drawn.anatomy == tissue)]) for tissue in order}
    assert level[order[0]] > 1.05 * level[order[1]] > 1.05 * 1.1 * level[order[2]]
    if contrast == "FLAIR":
        assert level[CSF] < 0.15 * level[WHITE]


def test_pure_tissue_has_the_level_of_the_signal_equation() -> None:
    drawn = silent()
    table = signal_table(tuple(MR_SEQUENCES[name] for name in ("T1", "T2", "FLAIR")))
    white = drawn.images[shrink(drawn.anatomy == WHITE, 3)]
    np.testing.assert_allclose(np.median(white, axis=0), np.abs(table["white"]), rtol=0.03)
    assert (drawn.images[drawn.anatomy == AIR].mean(axis=0) < 0.01).all()


def test_t1_contrasts_are_near_those_of_the_real_average() -> None:
    """The template itself is a mean of 152 real T1-weighted scans, though of another sequence."""
    t1, grey, white = brain_template()
    fluid = (t1 > 0) & (grey.astype(int) + white < 20)
    level = {
        name: np.median(t1[where]) for name, where in (("csf", fluid), ("grey", grey > 240), ("white", white > 240))
    }
    for name in ("csf", "grey"):
        assert mr_signal(name, "T1") / mr_signal("white", "T1") == pytest.approx(level[name] / level["white"], abs=0.1)


# Noise and bias


@pytest.mark.parametrize("level", [0.0, 1.0, 3.0, 20.0])
def test_noise_follows_rice(level: float) -> None:
    signal = np.full((4, 100, 100, 1), 0.02 * level, np.float32)
    noisy = add_rician_noise(np.random.default_rng(3), signal, np.array([0.02], np.float32)).ravel() / 0.02
    assert stats.kstest(noisy, stats.rice(level).cdf).pvalue > 0.01
    assert (noisy**2).mean() == pytest.approx(level**2 + 2, rel=0.03)


def test_background_is_rayleigh_and_bright_tissue_gaussian() -> None:
    settings_ = {"size": 128, "slices_per_patient": 1, "snr": 20, "bias": 0, "progress": False}
    noisy, clean = brain_mr(6, **settings_), brain_mr(6, **{**settings_, "snr": 1e9})
    sigma = np.abs(signal_table(tuple(MR_SEQUENCES[name] for name in ("T1", "T2", "FLAIR")))["white"]) / 20
    air = ~ndimage.binary_dilation(noisy.anatomy != AIR, np.ones((1, 9, 9)))
    assert air.sum() > 20000
    background = noisy.images[air]
    np.testing.assert_allclose(background.mean(axis=0) / sigma, math.sqrt(math.pi / 2), rtol=0.01)
    np.testing.assert_allclose(background.std(axis=0) / background.mean(axis=0), math.sqrt(4 / math.pi - 1), rtol=0.02)
    for channel in range(3):
        bright = clean.images[..., channel] > 12 * sigma[channel]
        error = ((noisy.images - clean.images)[..., channel][bright]) / sigma[channel]
        assert error.std() == pytest.approx(1, abs=0.02)
        assert abs(stats.skew(error)) < 0.05
    half = brain_mr(6, **settings_, sites=(Site(scanner=Scanner(noise=0.5)),))
    np.testing.assert_allclose(half.images[air].mean(axis=0), background.mean(axis=0) / 2, rtol=0.01)


def test_bias_is_smooth_multiplicative_and_of_the_requested_strength() -> None:
    few = {**SILENT, "size": 96, "slices_per_patient": 2}
    plain, weak, strong = (brain_mr(16, **{**few, "bias": strength}) for strength in (0, 0.1, 0.2))
    brain = shrink((plain.anatomy >= GREY) & (plain.anatomy <= WHITE))
    with np.errstate(divide="ignore", invalid="ignore"):
        field = np.log(strong.images / plain.images)
        half = np.log(weak.images / plain.images)
    np.testing.assert_allclose(field[brain][:, 0], field[brain][:, 1], atol=1e-3)  # the same in all contrasts
    np.testing.assert_allclose(field[brain], 2 * half[brain], atol=1e-3)
    assert field[brain].std() == pytest.approx(0.2, rel=0.35)
    steps = np.abs(np.diff(field[..., 0], axis=2))[brain[:, :, 1:] & brain[:, :, :-1]]
    assert steps.max() < 0.03  # per 2.5 mm
    bends = np.abs(np.diff(field[..., 0], n=2, axis=2))[brain[:, :, 2:] & brain[:, :, 1:-1] & brain[:, :, :-2]]
    assert bends.max() < 0.003


# Warps


def all_places(step: float = 4.0) -> list[np.ndarray]:
    return [np.arange(low, high, step) for low, high in ((-70, 90), (-90, 115), (-80, 81))]


@pytest.mark.parametrize(("variation", "push"), [(1.0, 0.3), (1.5, 0.65)])
def test_the_whole_map_has_a_positive_jacobian(variation: float, push: float) -> None:
    axes = all_places()
    place = [axis.astype(np.float32).reshape(shape) for axis, shape in zip(
        axes, ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True)]  # fmt: skip
    for head in heads(5, variation=variation):
        moved = upsample(head.warp.fields, *axes)
        middle = [a + b for a, b in zip(place, moved, strict=False)]
        centre = displaced(head.warp, head.tumour.centre)
        shift = pushed([m - np.float32(c) for m, c in zip(middle, centre, strict=True)], head.tumour.radius, push)
        whole = posed(head.warp, [m + s for m, s in zip(middle, shift, strict=True)])
        gradient = np.stack([np.stack(np.gradient(part.astype(np.float64), 4.0)) for part in whole])
        determinant = np.linalg.det(np.moveaxis(gradient, (0, 1), (-2, -1)))
        assert determinant.min() > (0.05 if push < 0.5 else 0)  # in the middle of a mass (1 - 1.417 push)^3
        assert 0.6 < np.median(determinant) < 1.6
        assert determinant.std() > 0.05  # and it is a warp, not a pose


def test_exponentials_of_opposite_velocities_undo_each_other() -> None:
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((3, *NODES)).astype(np.float32)
    velocity = np.stack([ndimage.gaussian_filter(part, 2.0) for part in noise])
    velocity *= 5 / velocity.std()
    there, back = exponential(velocity), exponential(-velocity)
    at = np.indices(NODES) + there / CELL
    returned = there + np.stack([ndimage.map_coordinates(part, at, order=1, mode="nearest") for part in back])
    inner = (slice(None), *[slice(4, -4)] * 3)
    moved, left = (np.sqrt((part[inner] ** 2).sum(axis=0)).mean() for part in (there, returned))
    assert moved > 5
    assert left < 0.08 * moved
    assert np.abs(returned[inner]).max() < 2.5


def test_places_found_in_the_patient_are_those_meant_in_the_template() -> None:
    points = np.array([[10.0, 20.0, 30.0], [-5, -40, -25], [40, 0, 10], [20, 60, -30]])
    for head in heads():
        found = to_patient(head.warp, points)
        again = [head.warp.matrix @ displaced(head.warp, place) + head.warp.shift for place in found]
        np.testing.assert_allclose(again, points, atol=0.05)


@given(push=st.floats(0, 0.65), radius=st.floats(4, 25))
def test_a_mass_pushes_outwards_without_folding(push: float, radius: float) -> None:
    r = np.linspace(0, 3 * radius, 400, dtype=np.float32)
    nothing = np.zeros_like(r)
    came_from = r + pushed([r, nothing, nothing], radius, push)[0]
    assert (np.diff(came_from) > 0).all()
    assert (came_from <= r + 1e-4).all()
    assert np.interp(radius, r, r - came_from) == pytest.approx(push * radius, abs=0.02 * radius)
    np.testing.assert_allclose(came_from[r > 2.5 * radius], r[r > 2.5 * radius], rtol=1e-6)


def white_maps(variation: float) -> np.ndarray:
    """White matter of patients of one age and pose would be, flattened; correlation shows shared anatomy."""
    drawn = brain_mr_volumes(
        4, size=48, spacing_mm=4, contrasts=("T1",), difficulty=0, mimics=0, mass_effect=0, variation=variation,
        diameter_mm=(10, 45), **SILENT,
    )  # fmt: skip
    return (drawn.anatomy == WHITE).reshape(4, -1).astype(float)


def test_no_two_patients_share_anatomy() -> None:
    own, same = (np.corrcoef(white_maps(variation))[np.triu_indices(4, 1)] for variation in (1.0, 0.0))
    assert own.max() < 0.8
    assert own.mean() < same.mean() - 0.04
    rng = np.random.default_rng(0)
    fields = [draw_warp(rng, variation=1.0, ventricles=0.0).fields[8:-8, 8:-8, 8:-8, :3].ravel() for _ in range(5)]
    assert np.abs(np.corrcoef(fields)[np.triu_indices(5, 1)]).max() < 0.6


# Template


def test_template_is_nilearns_read_unchanged() -> None:
    import nibabel

    folder = Path(str(find_spec("nilearn").origin)).parent / "datasets" / "data"
    stored = nibabel.load(folder / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz")
    voxels = np.asarray(stored.dataobj)
    t1, grey, white = brain_template()
    assert t1.shape == grey.shape == white.shape == (189, 233, 197)
    assert t1.sum(dtype=np.int64) == voxels.sum(dtype=np.int64)
    for right, front, up in ((30, 12, 5), (-41, -60, 20), (3, 40, 44)):  # nibabel's world: right, anterior, superior
        i, j, k = np.round(np.linalg.solve(stored.affine, [right, front, up, 1])[:3]).astype(int)
        z, y, x = (np.array([up, -front, -right]) - ORIGIN).astype(int)
        assert t1[z, y, x] == voxels[i, j, k] > 0


def test_template_shares_are_shares_and_the_skull_holds_the_brain() -> None:
    _, grey, white = brain_template()
    inside = np.argwhere(grey.astype(int) + white > 200)[::997].T.astype(np.float32)
    place = [(axis + np.float32(low))[None, None] for axis, low in zip(inside, ORIGIN, strict=True)]
    for step in (1, 2):
        g, w = sample_tissue(template(step), place)
        assert (g >= 0).all()
        assert (w >= 0).all()
        assert (g + w <= 1.0001).all()
        assert (g + w).mean() > 0.95
        assert (sample_hull(template(step), place) < 1.5).mean() > 0.999


def test_licence_of_the_template_is_stated() -> None:
    text = " ".join(inspect.getdoc(brain_mr).split())
    assert "10.1016/j.neuroimage.2010.07.033" in text
    assert "McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University" in text
    assert "use, copy, modify and distribute" in text


# Tumours


@cache
def tumours() -> Phantoms:
    return brain_mr_volumes(
        12, seed=2, size=80, spacing_mm=2.2, prevalence=1.0, contrasts=("T1", "T1c"), diameter_mm=(18, 40), mimics=0,
        hyperintensities=0, **SILENT,
    )  # fmt: skip


@cache
def before() -> Phantoms:
    """The same heads without the tumours."""
    return brain_mr_volumes(
        12, seed=2, size=80, spacing_mm=2.2, prevalence=1.0, contrasts=("T1", "T1c"), diameter_mm=(18, 40), mimics=0,
        hyperintensities=0, difficulty=0, **SILENT,
    )  # fmt: skip


def test_size_is_as_requested() -> None:
    drawn = tumours()
    assert set(drawn.lesions["kind"]) == set(KINDS)
    for _, lesion in drawn.lesions.iterrows():
        body = np.isin(drawn.masks[lesion["image"]], (CORE, RIM))
        diameter = 2 * (body.sum() * 2.2**3 * 3 / (4 * math.pi)) ** (1 / 3)
        low = 0.78 if lesion["kind"] == "meningioma" else 0.88  # what would reach into the skull is cut off
        assert low < diameter / lesion["diameter_mm"] < 1.08
        middle = ndimage.center_of_mass(body)
        distance = np.linalg.norm(np.array(middle) - lesion[["plane", "row", "column"]].to_numpy(float)) * 2.2
        assert distance < 0.25 * lesion["diameter_mm"]


def test_contrast_is_as_requested() -> None:
    drawn, empty = tumours(), before()
    difference = drawn.images - empty.images
    for _, lesion in drawn.lesions.iterrows():
        k = int(lesion["image"])
        where = ndimage.binary_erosion(drawn.masks[k] == RIM) & ndimage.binary_erosion(empty.anatomy[k] == WHITE)
        if where.sum() < 30:
            continue
        measured = np.median(difference[k][where], axis=0)
        np.testing.assert_allclose(
            measured, lesion[["contrast_T1", "contrast_T1c"]].to_numpy(float), rtol=0.1, atol=0.01
        )
        assert lesion["share"] == pytest.approx(1 - math.exp(-1))
    untouched = ndimage.binary_dilation(drawn.masks > 0, np.ones((1, 5, 5, 5)))
    assert np.abs(difference[~untouched]).max() < 0.12  # but for the fading border of an oedema
    assert np.abs(difference[~untouched]).mean() < 1e-3


def test_rim_takes_up_gadolinium_and_the_core_does_not() -> None:
    drawn = tumours()
    uptake = drawn.images[..., 1] - drawn.images[..., 0]
    assert np.median(uptake[ndimage.binary_erosion(drawn.masks == RIM, np.ones((1, 3, 3, 3)))]) > 0.15
    for place in (drawn.masks == CORE, drawn.masks == OEDEMA, (drawn.anatomy == WHITE) & (drawn.masks == 0)):
        assert np.median(uptake[ndimage.binary_erosion(place, np.ones((1, 3, 3, 3)))]) < 0.05


def test_kinds_are_where_they_belong() -> None:
    axis = np.linspace(-26, 26, 27, dtype=np.float32)
    away = [axis[:, None, None], axis[None, :, None], axis[None, None, :]]
    for kind in KINDS:
        found = [draw_head(patient_rng(9, k), PLAIN._replace(kinds=(kind,))) for k in range(6)]
        assert {head.tumour.kind for head in found} == {kind}
        for head in found:
            tumour = head.tumour
            place = [(a + np.float32(c)) for a, c in zip(away, tumour.centre, strict=True)]
            whole = np.broadcast_arrays(*place)
            axes = [np.asarray(p.ravel(), np.float64) for p in place]
            moved = upsample(head.warp.fields, *axes)
            there = posed(head.warp, [w + m for w, m in zip(whole, moved, strict=False)])
            hull, (_, white) = sample_hull(template(1), there), sample_tissue(template(1), there)
            core, rim, around = shells(tumour, away, white, hull)
            body = core + rim
            assert body[hull > 0.5].max(initial=0) == 0
            if kind == "meningioma":
                assert core.max() == 0
                assert hull[body > 0.5].max() > -2.5  # touches the skull's inner surface
                assert body[(hull > -4) & (hull < -1)].sum() > 10
            else:
                assert white[13, 13, 13] > (0.6 if kind == "glioma" else 0.1)
                assert hull[13, 13, 13] < -2
            assert (white[around > 0.6] > 0.3).all()
            assert reach(tumour) > tumour.radius


@settings(max_examples=20)
@given(
    seed=st.integers(0, 500),
    size=st.sampled_from([64, 80]),
    slices=st.integers(1, 3),
    kind=st.sampled_from(KINDS),
    diameter=st.floats(8, 45),
    push=st.sampled_from([0.0, 0.3, 0.65]),
    variation=st.sampled_from([0.0, 1.0, 1.5]),
    difficulty=st.sampled_from(["hard", 3.0, 20.0]),
)
def test_no_impossible_head(**drawn: Any) -> None:
    found = brain_mr(
        2, seed=drawn["seed"], size=drawn["size"], slices_per_patient=drawn["slices"], kinds=(drawn["kind"],),
        diameter_mm=(drawn["diameter"], 45), mass_effect=drawn["push"], variation=drawn["variation"],
        difficulty=drawn["difficulty"], prevalence=1.0, progress=False,
    )  # fmt: skip
    assert np.isfinite(found.images).all()
    assert found.images.min() >= 0
    assert found.images.max() < 2.5
    assert np.isin(found.anatomy[found.masks > 0], (CSF, GREY, WHITE)).all()
    for anatomy in found.anatomy:
        brain = np.isin(anatomy, (CSF, GREY, WHITE))
        assert 0.05 < brain.mean() < 0.6
        closed = ndimage.binary_fill_holes(np.isin(anatomy, (BONE, SCALP)))
        assert not (brain & ~closed).any()
        ring = ndimage.binary_dilation(brain) & ~brain
        assert np.isin(anatomy[ring], (BONE, SCALP)).mean() > 0.97
        edge = np.ones_like(brain)
        edge[1:-1, 1:-1] = False
        assert (anatomy[edge] != AIR).mean() < 0.2
    assert found.table["age"].between(20, 85).all()
    assert found.table["diameter_mm"].between(drawn["diameter"] - 1e-6, 45 + 1e-6).all()
    assert (found.lesions["area_mm2"] > 0).all()


# Patients


@cache
def many() -> Phantoms:
    return brain_mr(
        150, seed=8, size=64, slices_per_patient=1, difficulty=0, mimics=0, step_mm=2, bias=0, progress=False
    )


def test_age_widens_fluid_spaces_and_brings_hyperintensities() -> None:
    drawn = many()
    tissue, age = drawn.anatomy, drawn.table["age"]
    brain = np.isin(tissue, (CSF, GREY, WHITE))
    share = (tissue == CSF).sum(axis=(1, 2)) / brain.sum(axis=(1, 2))
    assert stats.spearmanr(age, share).statistic > 0.5
    flair = (
        drawn.images[..., 2]
        / np.array([np.median(i[m]) for i, m in zip(drawn.images[..., 2], tissue == WHITE, strict=True)])[:, None, None]
    )
    spots = ((flair > 1.35) & shrink(tissue == WHITE)).sum(axis=(1, 2))
    assert spots[age > 65].mean() > 3 * spots[age < 45].mean() + 1


def test_nothing_but_the_tumour_tells_who_is_ill() -> None:
    drawn = many()
    ill = drawn.table["ill"]
    brightness = drawn.images.mean(axis=(1, 2))
    scores = [drawn.table["level_mm"], drawn.table["age"], *brightness.T, (drawn.anatomy == CSF).mean(axis=(1, 2))]
    for score in scores:
        assert abs(roc_auc_score(ill, score) - 0.5) < 0.17  # three standard errors of 110 patients


def test_slices_are_a_series_in_which_the_tumour_is_anywhere() -> None:
    drawn = brain_mr(30, size=64, slices_per_patient=4, step_mm=8, prevalence=1.0, contrasts=("T1",), progress=False)
    levels = drawn.table["level_mm"].to_numpy().reshape(-1, 4)
    np.testing.assert_allclose(np.diff(levels, axis=1), 8)
    largest = drawn.table["tumour_mm2"].to_numpy().reshape(-1, 4).argmax(axis=1)
    assert set(largest.tolist()) == {0, 1, 2, 3}
    assert (drawn.table.groupby("patient")["truth"].max() == 1).all()
    assert ((drawn.table["tumour_mm2"] > 0) == (drawn.table["truth"] == 1)).all()


def test_thick_slices_average_what_thin_ones_show() -> None:
    small = {"size": 96, "slices_per_patient": 1, "prevalence": 1.0, "kinds": ("metastasis",), "mimics": 0, **SILENT}
    few = {**small, "diameter_mm": (8.1, 9), "contrasts": ("T1c",)}
    peaks = []
    for thickness in (1, 6):
        with_, without = (brain_mr(5, slice_mm=thickness, difficulty=level, **few).images for level in (3, 0))
        peaks.append((with_ - without).max(axis=(1, 2, 3)))
    assert (peaks[1] < 1.02 * peaks[0]).all()
    assert peaks[1].mean() < 0.95 * peaks[0].mean()


def test_volumes_and_slices_are_of_the_same_patients() -> None:
    settings_ = {"contrasts": ("T1",), "size": 96, "seed": 4, "difficulty": 0, **SILENT}
    volume, one = brain_mr_volumes(1, **settings_), brain_mr(1, slices_per_patient=1, slice_mm=2.5, **settings_)
    assert volume.table["age"][0] == one.table["age"][0]
    shown = volume.images[0, :, ..., 0]
    alike = [np.corrcoef(plane.ravel(), one.images[0].ravel())[0, 1] if plane.any() else 0 for plane in shown]
    assert max(alike) > 0.97
    assert abs((np.argmax(alike) - 47.5) * 2.5 - 5 - one.table["level_mm"][0]) < 2.6


def test_skull_can_be_left_out_and_scalp_fat_is_the_brightest_on_t1() -> None:
    settings_ = {"size": 96, "slices_per_patient": 1, "difficulty": 0, **SILENT}
    whole, bare = brain_mr(3, **settings_), brain_mr(3, skull=False, **settings_)
    assert not np.isin(bare.anatomy, (BONE, SCALP)).any()
    inner = shrink(np.isin(whole.anatomy, (CSF, GREY, WHITE)), 3)
    np.testing.assert_allclose(whole.images[inner], bare.images[inner], atol=1e-5)
    assert np.abs(bare.images[bare.anatomy == AIR]).mean() < 0.005
    t1 = whole.images[..., 0]
    assert np.percentile(t1[whole.anatomy == SCALP], 75) > np.percentile(t1[whole.anatomy == WHITE], 95)
    assert np.median(t1[whole.anatomy == BONE]) < np.median(t1[whole.anatomy == GREY])


def test_own_sequences_are_taken() -> None:
    short = MrSequence(name="short", tr_ms=300, te_ms=8)
    drawn = brain_mr(1, size=64, slices_per_patient=1, contrasts=("T2", short), prevalence=1.0, **SILENT)
    assert drawn.images.shape[-1] == 2
    assert "contrast_short" in drawn.lesions.columns


@pytest.mark.parametrize("call", [brain_mr, brain_mr_volumes])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 8), ("spacing_mm", 0.0), ("contrasts", ()), ("contrasts", ("T3",)), ("contrasts", ("T1", "T1")),
        ("contrasts", (MrSequence(name="x", tr_ms=0, te_ms=1),)), ("kinds", ()), ("kinds", ("stone",)),
        ("diameter_mm", (20, 10)), ("diameter_mm", (2, 10)), ("mass_effect", 0.8), ("mimics", 2), ("bias", -1),
        ("hyperintensities", -1), ("variation", 3), ("snr", 0), ("spacing_mm", 10.0),
    ],
)  # fmt: skip
def test_bad_arguments_are_one_clear_line(call: Any, name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"give|remedy|name one") as caught:
        call(1, **{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("slices_per_patient", 0), ("slice_mm", 0), ("step_mm", 0), ("step_mm", 50.0), ("slice_mm", 11)],
)
def test_bad_slices_are_one_clear_line(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=r"give") as caught:
        brain_mr(1, **{name: value})
    assert "\n" not in str(caught.value)


def test_unknown_tissue_is_one_clear_line() -> None:
    with pytest.raises(ValueError, match=r"^tissue='jelly': give one of csf, grey"):
        mr_signal("jelly", "T1")


def test_places_of_the_grid_hold_the_head() -> None:
    highest = LOWEST + CELL * (np.array(NODES) - 1)
    assert (LOWEST <= [-125, -110, -120]).all()
    assert (highest >= [115, 135, 120]).all()
