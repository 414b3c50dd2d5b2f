"""The digital phantom of IBSI 1, against the whole table of reference values for the families that the course has.

ibsi1_digital_phantom.csv: Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145; values and tolerances of the reference
manual, arXiv:1612.07003 (three significant digits; a tolerance of 0 means: equal at that precision). IBSI has no
reference for the minimal bounding box and the enclosing ellipsoid, which `extract` leaves out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medcourse.features import extract

TABLE = Path(__file__).with_name("ibsi1_digital_phantom.csv")
AGGREGATIONS = ("2d_avg", "2d_mrg", "2.5d_avg", "2.5d_mrg", "3d_avg", "3d_mrg")
# Four slices of four rows and five columns; 0 is outside the region.
SLICES = [
    ["14411", "14611", "41641", "44641"],
    ["14411", "11611", "01311", "44611"],
    ["14400", "11111", "11011", "11611"],
    ["14400", "11111", "11111", "11611"],
]
PHANTOM = np.array([[list(map(int, row)) for row in rows] for rows in SLICES])


def reference() -> pd.DataFrame:
    return pd.read_csv(TABLE, dtype=str, keep_default_na=False)


def column(family: str, feature: str, aggregation: str) -> str:
    return {
        "cm": f"cm_{feature}_d1_{aggregation}_fbs1",
        "rlm": f"rlm_{feature}_{aggregation}_fbs1",
        "ih": f"ih_{feature}_fbs1",
    }.get(family, f"{family}_{feature}")


def phantom_table(aggregation: str) -> pd.DataFrame:
    families = ["stat", "ih", "cm", "rlm", "morph"]
    return extract(
        PHANTOM[None], PHANTOM[None] > 0, (2.0, 2.0, 2.0), families=families, bin_width=1, aggregation=aggregation
    )


def disagreements(table: pd.DataFrame, aggregation: str) -> list[str]:
    rows = reference()
    rows = rows[rows["aggregation"].isin(["", aggregation])]
    found = []
    for family, feature, how, value, tolerance in rows.itertuples(index=False):
        ours = float(table[column(family, feature, how or aggregation)][0])
        if float(f"{ours:.3g}") != float(value) and abs(ours - float(value)) > 1.0001 * float(tolerance):
            found.append(f"{column(family, feature, how)}: {ours}, not {value}")
    return found


def test_phantom_is_the_one_of_the_manual() -> None:
    assert PHANTOM.shape == (4, 4, 5)
    assert np.count_nonzero(PHANTOM) == 74
    assert set(PHANTOM.ravel().tolist()) == {0, 1, 3, 4, 6}


def test_table_is_whole() -> None:
    rows = reference()
    count = rows.groupby("family").size().to_dict()
    assert count == {"cm": 25 * 6, "rlm": 16 * 6, "stat": 18, "ih": 3, "morph": 25}
    assert not rows.duplicated(["family", "feature", "aggregation"]).any()
    assert {*rows.loc[rows["family"].isin(["cm", "rlm"]), "aggregation"]} == {*AGGREGATIONS}


def test_no_feature_goes_unchecked() -> None:
    names = {column(*row) for row in reference()[["family", "feature", "aggregation"]].itertuples(index=False)}
    names = {name for name in names if not name.startswith(("cm", "rlm")) or "_3d_avg_" in name}
    assert {*phantom_table("3d_avg")} == names


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_reference_values_are_reproduced(aggregation: str) -> None:
    assert disagreements(phantom_table(aggregation), aggregation) == []


def test_a_wrong_number_is_found() -> None:
    table = phantom_table("3d_avg")
    table["cm_contrast_d1_3d_avg_fbs1"] *= 1.003
    table["morph_flatness"] += 0.006
    assert [text.split(":")[0] for text in disagreements(table, "3d_avg")] == [
        "morph_flatness",
        "cm_contrast_d1_3d_avg_fbs1",
    ]


def test_six_fixed_bins_give_what_width_one_gives() -> None:
    # The manual allows either; the values 1 to 6 fall into six bins as they are.
    six = extract(PHANTOM[None], PHANTOM[None] > 0, (2.0, 2.0, 2.0), families=["cm"], bins=6)
    one = extract(PHANTOM[None], PHANTOM[None] > 0, (2.0, 2.0, 2.0), families=["cm"], bin_width=1)
    np.testing.assert_array_equal(six.to_numpy(), one.to_numpy())
