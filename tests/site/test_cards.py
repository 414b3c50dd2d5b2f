"""Data cards: prose from data/, facts from the registry and from the measured ladders, all of them in the site."""

from __future__ import annotations

import inspect
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from medcourse.data import phantoms
from medcourse.data.catalogue import read_catalogue
from tools import cards
from tools.page import ROOT, PageError, all_pages
from tools.stage import stage

CARDS = cards.cards(ROOT)


@pytest.fixture
def root(small_book: Path) -> Path:
    """The small book with an index of data, a phantom's card, a set's card, and a registry of that set."""
    (small_book / "data").mkdir()
    for name in ("breastmnist.md", "registry.toml"):
        shutil.copy(ROOT / "data" / name, small_book / "data" / name)
    (small_book / "data" / "mammograms.md").write_text(
        "---\ncourse:\n  title_zh: 体模\n---\n# Breasts (phantom)\n\nOne\nsentence.\n\n## What it shows\n\nText.\n",
        "utf-8",
    )
    (small_book / "book" / "data").mkdir()
    (small_book / "book" / "data" / "index.md").write_text(
        "---\ncourse:\n  title_zh: 数据\n---\n# Data\n\nAll.\n\n% cards: phantoms\n\n% cards: sets\n", "utf-8"
    )
    toc = yaml.safe_load((small_book / "_toc.yml").read_text("utf-8"))
    toc["chapters"].append({"file": "data/index"})
    (small_book / "_toc.yml").write_text(yaml.safe_dump(toc), "utf-8")
    found = {"auc": 0.5, "low": 0.45, "high": 0.55}
    rungs = {rung: found | {"auc": 0.6 + 0.1 * k} for k, rung in enumerate(cards.RUNGS)}
    entry = {"patients": {"test": 2000}, "chance": found, "rungs": dict.fromkeys(("easy", "medium", "hard"), rungs)}
    (small_book / cards.LADDERS).parent.mkdir(parents=True, exist_ok=True)
    (small_book / cards.LADDERS).write_text(json.dumps({"tasks": {"mammogram_mass": entry}}), "utf-8")
    return small_book


def test_cards_stand_in_the_site_below_their_index(root: Path) -> None:
    folder = stage("student", root)
    toc = yaml.safe_load((folder / "_toc.yml").read_text("utf-8"))
    (index,) = (chapter for chapter in toc["chapters"] if chapter.get("file") == "data/index")
    assert index["sections"] == [{"file": "data/breastmnist"}, {"file": "data/mammograms"}]
    text = (folder / "data" / "mammograms.md").read_text("utf-8")
    assert text.startswith("# Breasts (phantom)\n\n*体模*\n\nOne\nsentence.")
    assert "| contrast alone | 0.60 (0.45–0.55) | 0.60 (0.45–0.55) | 0.60 (0.45–0.55) |" in text
    assert text.index("Observer ladder, mammogram mass") < text.index("## What it shows")


def test_a_sets_card_says_what_the_registry_says(root: Path) -> None:
    text = (stage("student", root) / "data" / "breastmnist.md").read_text("utf-8")
    assert "| Items | train 546, val 78, test 156 |" in text
    assert text.index("| Licence | CC BY 4.0 |") < text.index("## What it is")


def test_the_index_lists_every_card(root: Path) -> None:
    text = (stage("student", root) / "data" / "index.md").read_text("utf-8")
    assert "| [Breasts](mammograms.md) | One sentence. | 0.60 → 0.70 → 0.80 |" in text
    assert "| [BreastMNIST](breastmnist.md) | classification | CC BY 4.0 | open |" in text
    assert "% cards" not in text


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("breastmnist.md", "# BreastMNIST\n\nNo sections.\n", "a card begins with '# Title' and a sentence"),
        ("breastmnist.md", "---\ncourse: [\n---\n# B\n\nA.\n\n## C\n", "the card cannot be read"),
        ("nosuchset.md", "# No such set\n\nA sentence.\n\n## What it is\n\nText.\n", "nosuchset"),
    ],
)
def test_a_faulty_card_is_one_clear_line(root: Path, name: str, text: str, said: str) -> None:
    (root / "data" / name).write_text(text, "utf-8")
    with pytest.raises((PageError, ValueError), match=said) as caught:
        stage("student", root)
    assert "\n" not in str(caught.value)


def test_a_broken_record_of_ladders_is_one_clear_line(root: Path) -> None:
    (root / cards.LADDERS).write_text("{}", "utf-8")
    with pytest.raises(PageError, match="run make bench MEASURE=ladders"):
        stage("student", root)


def test_every_set_and_every_phantom_has_a_card_and_every_card_its_subject() -> None:
    sets = {name for name, entry in read_catalogue().items() if "variant_of" not in entry}
    made = {page.path.stem for page in CARDS}
    drawn = {
        name
        for name in phantoms.__all__
        if inspect.isfunction(function := getattr(phantoms, name))
        if {"seed", "difficulty"} <= set(inspect.signature(function).parameters)
    } | {"mammogram_patches"}
    assert made == sets | drawn
    assert {page.path.stem for page in CARDS if page.title.endswith(cards.PHANTOM)} == drawn


def test_every_phantom_has_a_measured_ladder() -> None:
    measured = cards.read_ladders(ROOT)
    assert set(measured) == set(cards.TASKS)
    covered = {name for names in cards.TASKS.values() for name in names}
    assert covered == {page.path.stem for page in CARDS if page.title.endswith(cards.PHANTOM)}
    for page in CARDS:
        if page.title.endswith(cards.PHANTOM):
            assert "Observer ladder" in page.text


def test_cards_type_no_fact_that_a_tool_puts_in() -> None:
    for page in CARDS:
        prose = (ROOT / "data" / f"{page.path.stem}.md").read_text("utf-8")
        assert "Observer ladder" not in prose
        assert not re.search(r"^\| (Licence|Items|Access) \|", prose, re.M), page.name


def test_cards_are_pages_of_the_book() -> None:
    assert {page.name for page in CARDS} <= {page.name for page in all_pages(ROOT)}
