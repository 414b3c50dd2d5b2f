"""Reports say what their truth says, in sound sentences, and every span points at its words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcourse.data.phantoms import REPORT_FINDINGS, Reports, Scanner, Site, Subgroup, reports
from medcourse.data.phantoms._report_grammar import FILLERS, FINDINGS, RULES

TARGET = "pleural effusion"


@cache
def drawn() -> Reports:
    return reports(1500, seed=3)


def terms(finding: str) -> re.Pattern[str]:
    words = sorted(REPORT_FINDINGS[finding], key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(map(re.escape, words)) + r")\b", re.IGNORECASE)


def test_spans_point_at_the_words_they_name() -> None:
    d = drawn()
    for m in d.mentions.itertuples():
        text = d.table["text"][m.report]
        assert text[m.start : m.end].lower() == m.term
        assert m.term in REPORT_FINDINGS[m.finding]
        if m.cue:
            assert text[m.cue_start : m.cue_end] == m.cue
        else:
            assert (m.cue_start, m.cue_end) == (-1, -1)
    for s in d.sentences.itertuples():
        text = d.table["text"][s.report]
        assert text[s.start].isupper()
        assert text[s.end - 1] == "."
    rows = d.mentions.merge(d.sentences, on=["report", "sentence"], suffixes=("", "_sentence"))
    assert len(rows) == len(d.mentions)
    assert (rows["start"] >= rows["start_sentence"]).all()
    assert (rows["end"] <= rows["end_sentence"]).all()
    assert (rows["rule"] == rows["rule_sentence"]).all()


def test_sentences_cover_the_text_without_gap() -> None:
    for report, rows in drawn().sentences.groupby("report"):
        text = drawn().table["text"][report]
        assert rows["start"].iloc[0] == 0
        assert rows["end"].iloc[-1] == len(text)
        assert (rows["start"].to_numpy()[1:] == rows["end"].to_numpy()[:-1] + 1).all()
        assert list(rows["sentence"]) == list(range(6))


def test_sentences_are_sound() -> None:
    for text in drawn().table["text"]:
        assert "  " not in text
        assert not re.search(r"[\[\]{}]| [,.;]|\.\.|,,", text)
        assert not re.search(r"\b(a|an) (a|an)\b|\b(\w+) \2\b", text), text
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou18]", text, re.IGNORECASE), text
        assert not re.search(r"\bThere is \w+ (effusions|nodules|opacities|infiltrates)\b", text), text
        assert not re.search(r"\b(a|an) (\w+ )?(effusions|nodules|opacities|infiltrates)\b", text), text
        for sentence in re.findall(r"[^.]+\.", text):
            assert sentence.strip()[0].isupper()


def test_a_rule_stands_for_each_number_of_words_and_verbs_agree() -> None:
    text = " ".join(drawn().table["text"])
    for noun in ("effusions", "nodules", "opacities", "infiltrates"):
        assert not re.search(rf"\b{noun} (is|has|was)\b", text)
        assert re.search(rf"\b{noun}\b", text)
    for noun in ("effusion", "nodule", "opacity", "infiltrate", "emphysema", "consolidation"):
        assert not re.search(rf"\b{noun} (are|have|were)\b", text)


def test_every_rule_term_and_filler_occurs() -> None:
    d = reports(2500, seed=8, others=0.3)
    assert set(d.sentences["rule"]) == {rule.name for rule in RULES} | {"filler"}
    assert set(d.mentions["term"]) == {word for words in REPORT_FINDINGS.values() for word in words}
    text = " ".join(d.table["text"])
    for filler in FILLERS:
        assert re.search(re.escape(filler).replace(r"\{cm\}", r"\d"), text), filler
    said = set(zip(d.mentions["rule"], d.mentions["status"], strict=True))
    assert said == {(rule.name, status) for rule in RULES for status in rule.statuses}
    for finding in FINDINGS:
        mine = d.mentions[d.mentions["finding"] == finding.name]
        assert set(mine["severity"]) == {"", *finding.severities}
        assert set(mine["side"]) == {"", *finding.sides}
        assert set(mine["place"]) == {"", *finding.places}
        assert mine["size_mm"].notna().any() == finding.sized
    assert d.mentions["distance_mm"].notna().any()
    assert set(d.mentions["prior"]) == {0, 1}


def test_details_stand_in_the_sentence() -> None:
    d = drawn()
    rows = d.mentions.merge(d.sentences[["report", "sentence", "start", "end"]], on=["report", "sentence"])
    for m in rows.itertuples():
        sentence = d.table["text"][m.report][m.start_y : m.end_y].lower()
        for word in (m.side, m.severity, m.place):
            assert word in sentence
        if m.size_mm == m.size_mm:
            assert f"{m.size_mm:.0f} mm" in sentence
        if m.distance_mm == m.distance_mm:
            assert f"{m.distance_mm:.0f} mm from the pleura" in sentence
        if m.prior:
            assert re.search(r"last film|before|known", sentence)


def test_status_columns_agree_with_the_mentions() -> None:
    d = drawn()
    stated = d.mentions[d.mentions["status"].isin(["present", "absent", "uncertain"])]
    assert not stated.duplicated(["report", "finding"]).any(), "no report contradicts itself"
    for finding in REPORT_FINDINGS:
        mine = stated[stated["finding"] == finding].set_index("report")["status"]
        expected = mine.reindex(d.table.index, fill_value="not mentioned")
        assert (d.table[finding] == expected).all()
        named = d.table["text"].str.contains(terms(finding))
        assert named[d.table[finding] != "not mentioned"].all()
        only = d.mentions[(d.mentions["finding"] == finding)].groupby("report").size()
        assert (named == d.table.index.isin(only.index)).all(), "no finding is named without a mention"


def test_status_follows_from_cue_kind() -> None:
    kinds = drawn().mentions.groupby("status")["cue_kind"].unique().map(set).to_dict()
    assert kinds == {
        "present": {"", "pseudo-negation"}, "absent": {"negation"}, "uncertain": {"uncertainty"},
        "asked": {"question"}, "history": {"history"},
    }  # fmt: skip


@pytest.mark.parametrize("negation", [0.2, 0.6, 0.9])
def test_a_keyword_search_is_right_only_for_the_share_that_the_law_of_the_statuses_gives(negation: float) -> None:
    d = reports(2500, negation=negation, prevalence=0.5, seed=6)
    named = d.table["text"].str.contains(terms(TARGET))
    right = (named == (d.table[TARGET] == "present")).mean()
    # Wrong: called uncertain or absent; or not mentioned but asked about or in the history, in a sentence to spare.
    doubted, denied = 0.5 * (0.08 + 0.06), 0.5 * (0.02 + 0.92 * negation)
    silent = 0.5 * (0.04 + 0.92 * (1 - negation))
    most, least = 1 - doubted - denied, 1 - doubted - denied - 0.35 * 0.55 * silent
    assert least - 0.03 < right < most + 0.03
    assert (d.table[TARGET] == "uncertain").mean() == pytest.approx(doubted, abs=0.02)
    assert (d.table[TARGET] == "absent").mean() == pytest.approx(denied, abs=0.03)


def negex(text: str, start: int) -> bool:
    """A plain rule: denied where a negation stands before it in the sentence, or 'resolved' and the like after."""
    begin = text.rfind(". ", 0, start) + 1
    before, after = text[begin:start], text[start : text.find(".", start)]
    return bool(re.search(r"\b(no|free of|negative for|neither|nor|without)\b", before, re.IGNORECASE)) or bool(
        re.search(r"\b(not|no longer|resolved|excluded)\b", after)
    )


def test_tricky_wording_defeats_a_plain_rule_and_plain_wording_does_not() -> None:
    found = {}
    for tricky in (0.0, 1.0):
        d = reports(1200, tricky=tricky, seed=4)
        m = d.mentions[d.mentions["status"].isin(["present", "absent"])]
        called = [negex(d.table["text"][r], s) for r, s in zip(m["report"], m["start"], strict=True)]
        found[tricky] = (np.array(called) == (m["status"] == "absent")).mean()
    # Sentences that hold a denial and an affirmation have tricky wordings only.
    assert found[0.0] > 0.85
    assert found[1.0] < found[0.0] - 0.03


def test_truth_shows_in_the_text_as_much_as_difficulty_says() -> None:
    share = {}
    for difficulty in ("easy", "medium", "hard", 0):
        table = reports(1500, difficulty=difficulty, seed=2, sentences=3).table
        share[difficulty] = (table[TARGET] == "present").groupby(table["truth"]).mean()
    assert share["medium"][1] == pytest.approx(0.86, abs=0.03)
    assert share["medium"][0] == pytest.approx(0.02, abs=0.01)
    assert share["easy"][1] > share["medium"][1] > share["hard"][1] + 0.2
    assert share[0][1] == pytest.approx(share[0][0], abs=0.02)


def test_at_amplitude_zero_the_ill_are_described_like_the_healthy() -> None:
    ill, healthy = (reports(50, prevalence=p, difficulty=0) for p in (1.0, 0.0))
    assert ill.table["text"].equals(healthy.table["text"])
    assert (ill.table["truth"] == 1).all()


def test_another_target_is_served_as_well() -> None:
    d = reports(600, target="pneumothorax")
    said = (d.table["pneumothorax"] == "present").groupby(d.table["truth"]).mean()
    assert said[1] > 0.75
    assert said[0] < 0.06
    assert 0.05 < (d.table[TARGET] == "present").mean() < 0.3


def test_strata_and_label_noise_are_as_requested() -> None:
    sites = (Site(name="north", prevalence=0.2, scanner=Scanner(noise=3.0)), Site(name="south", prevalence=0.8))
    groups = (Subgroup(name="a"), Subgroup(name="b", contrast=0.0))
    table = reports(1500, sites=sites, subgroups=groups, label_noise=(0.3, 0.1), sentences=2).table
    share = table.groupby("site")["truth"].mean()
    assert share["north"] == pytest.approx(0.2, abs=0.04)
    assert share["south"] == pytest.approx(0.8, abs=0.04)
    wrong = (table["label"] != table["truth"]).groupby(table["truth"]).mean()
    assert wrong[1] == pytest.approx(0.3, abs=0.05)
    assert wrong[0] == pytest.approx(0.1, abs=0.03)
    said = (table[TARGET] == "present").groupby([table["subgroup"], table["truth"]]).mean()
    assert said["a", 1] > 0.7
    assert said["b", 1] < 0.06


def test_reports_of_a_patient_share_her_truth_and_are_written_anew() -> None:
    table = reports(60, reports_per_patient=3).table
    assert len(table[["patient", "truth"]].drop_duplicates()) == 60
    assert table["text"].nunique() == 180
    assert list(table["report"][:3]) == [0, 1, 2]


@given(
    seed=st.integers(0, 2**32 - 1),
    sentences=st.integers(1, 12),
    negation=st.floats(0, 1),
    tricky=st.floats(0, 1),
    others=st.floats(0, 1),
    target=st.sampled_from(sorted(REPORT_FINDINGS)),
)
@settings(max_examples=40)
def test_every_report_is_sound(
    seed: int, sentences: int, negation: float, tricky: float, others: float, target: str
) -> None:
    d = reports(
        4, seed=seed, sentences=sentences, negation=negation, tricky=tricky, others=others, target=target,
        reports_per_patient=2,
    )  # fmt: skip
    assert (d.sentences.groupby("report").size() == sentences).all()
    for text in d.table["text"]:
        assert re.fullmatch(r"([A-Z0-9][^.]*\.)( [A-Z][^.]*\.)*", text), text
        assert "  " not in text
    stated = d.mentions[d.mentions["status"].isin(["present", "absent", "uncertain"])]
    assert not stated.duplicated(["report", "finding"]).any()
    for m in d.mentions.itertuples():
        assert d.table["text"][m.report][m.start : m.end].lower() == m.term


def test_a_patient_does_not_depend_on_who_else_is_drawn() -> None:
    settings: dict[str, Any] = {"seed": 3, "label_noise": 0.3, "reports_per_patient": 2}
    whole, part = reports(10, **settings), reports(3, first=4, jobs=2, **settings)
    pd.testing.assert_frame_equal(whole.table.iloc[8:14].reset_index(drop=True), part.table)
    for a, b in ((whole.sentences, part.sentences), (whole.mentions, part.mentions)):
        mine = a[a["report"].between(8, 13)]
        pd.testing.assert_frame_equal(mine.assign(report=mine["report"] - 8).reset_index(drop=True), b)
    assert not reports(5, seed=4).table["text"].equals(reports(5, seed=5).table["text"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 0), ("first", -1), ("seed", -1), ("reports_per_patient", 0), ("sentences", 0), ("target", "gout"),
        ("negation", 2.0), ("tricky", -1.0), ("others", 2.0), ("prevalence", 2.0), ("difficulty", "x"), ("sites", ()),
        ("subgroups", ()), ("label_noise", 2.0), ("jobs", 0),
    ],
)  # fmt: skip
def test_bad_argument_is_one_clear_line(name: str, value: Any) -> None:
    settings = {"n": 1, name: value}
    with pytest.raises(ValueError, match=rf"^{name}") as caught:
        reports(settings.pop("n"), **settings)
    assert "\n" not in str(caught.value)


def test_other_processors_write_the_same(tmp_path: Path) -> None:
    script = (
        "import sys, pickle; from medcourse.data.phantoms import reports\n"
        "pickle.dump(tuple(reports(60, seed=4)), open(sys.argv[1], 'wb'))\n"
    )
    disabled = ("AVX2", "FMA3", "AVX512F", "AVX512_SKX", "AVX512CD")
    known = [feature for feature in disabled if np._core._multiarray_umath.__cpu_features__.get(feature)]
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "poor")],
        check=True,
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(known)},
    )
    for here, there in zip(reports(60, seed=4), pd.read_pickle(tmp_path / "poor"), strict=True):
        pd.testing.assert_frame_equal(here, there)
