"""Data cards as pages: the prose of data/NAME.md, with the facts that data files state put in as tables.

A card's facts come from data/registry.toml (public sets) or from benchmarks/results/ladders.json (phantoms); its
author never types them. The page book/data/index.md lists all cards where it says ``% cards: phantoms`` or
``% cards: sets``. Nothing here needs more than the site's own environment.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tools.page import FRONT_MATTER, ROOT, Cell, Page, PageError

FOLDER = "data"
LADDERS = Path("benchmarks/results/ladders.json")
PHANTOM = " (phantom)"
MARK = re.compile(r"^% cards: (phantoms|sets)$", re.M)
RUNGS = {"contrast": "contrast alone", "features": "hand features", "ceiling": "reference observer"}
# Which phantoms a task is drawn from.
TASKS = {
    "breast_dce": ("breast_dce",),
    "brain_tumour": ("brain_mr", "brain_mr_volumes"),
    "chest_nodule": ("chest_ct_slices", "chest_ct_volumes"),
    "cohort_event": ("cohorts",),
    "ecg_rhythm": ("ecgs",),
    "growth_progression": ("follow_up",),
    "heart_function": ("cine_hearts",),
    "mammogram_calcifications": ("mammograms",),
    "mammogram_mass": ("mammograms",),
    "mammogram_patch": ("mammogram_patches",),
    "report_findings": ("reports",),
}


def cards(root: Path = ROOT) -> list[Page]:
    """A page for every card, in the order of their names."""
    return [_card(path, root) for path in sorted((root / FOLDER).glob("*.md"))]


def with_lists(page: Page, made: list[Page], root: Path = ROOT) -> Page:
    """The page with its ``% cards:`` lines replaced by tables that link every card."""
    if not MARK.search(page.text):
        return page

    def table(match: re.Match[str]) -> str:
        return _phantom_list(made, root) if match[1] == "phantoms" else _set_list(made, root)

    cells = [
        Cell(c.kind, MARK.sub(table, c.source) if c.kind == "markdown" else c.source, c.metadata) for c in page.cells
    ]
    return Page(page.name, page.path, MARK.sub(table, page.text), page.course, cells)


def _card(path: Path, root: Path) -> Page:
    name = f"{FOLDER}/{path.stem}"
    try:
        text = path.read_text("utf-8")
        match = FRONT_MATTER.match(text)
        course: dict[str, Any] = dict((yaml.safe_load(match.group(1)) or {}).get("course") or {}) if match else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError) as error:
        line = str(error).splitlines()[0]
        raise PageError(f"{path.name}: the card cannot be read ({line}); copy the head of another card") from None
    body = FRONT_MATTER.sub("", text).strip("\n")
    head = re.match(r"# (.+)\n", body)
    parts = re.split(r"^(?=## )", body, maxsplit=1, flags=re.M)
    if head is None or len(parts) != 2:
        raise PageError(f"{path.name}: a card begins with '# Title' and a sentence, then '## …'; see another card")
    made = _ladders(path.stem, root) if head[1].endswith(PHANTOM) else _facts(path.stem, root)
    body = f"{parts[0].rstrip()}\n\n{made}{parts[1]}"
    return Page(name, path, body, course, [Cell("markdown", body)])


def _facts(name: str, root: Path) -> str:
    from medcourse.data.catalogue import facts, read_catalogue

    rows = facts(name, read_catalogue(root / FOLDER / "registry.toml"))
    lines = [f"| {key} | {value} |" for key, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines, "", ""])


def read_ladders(root: Path = ROOT) -> dict[str, Any]:
    """The measured observer ladders, by task; empty where none was measured."""
    try:
        found: dict[str, Any] = json.loads((root / LADDERS).read_text("utf-8"))["tasks"]
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError) as error:
        raise PageError(f"{LADDERS.name}: cannot be read ({error}); run make bench MEASURE=ladders") from None
    return found


def _ladders(name: str, root: Path) -> str:
    tables = [_ladder(task, entry) for task, entry in read_ladders(root).items() if name in TASKS[task]]
    return "".join(f"{table}\n\n" for table in tables)


def _ladder(task: str, entry: dict[str, Any]) -> str:
    """One task's ladder as a table: AUC with its 95 % interval, for each difficulty."""
    levels = [level for level in ("easy", "medium", "hard") if level in entry["rungs"]]
    caption = (
        f"**Observer ladder, {task.replace('_', ' ')}**: area under the ROC curve on {entry['patients']['test']:,} "
        "patients whom no observer has seen, with its 95 % interval. Fixed before any network was trained; with "
        f"nothing to see, the features score {_shown(entry['chance'])}."
    )
    lines = [caption, "", "| observer | " + " | ".join(levels) + " |", "|---|" + "---|" * len(levels)]
    for rung, title in RUNGS.items():
        cells = [_shown(entry["rungs"][level][rung]) for level in levels]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(found: dict[str, float]) -> str:
    return f"{found['auc']:.2f} ({found['low']:.2f}–{found['high']:.2f})"


def _phantom_list(made: list[Page], root: Path) -> str:
    ladders = read_ladders(root)
    lines = ["| phantom | what it is | contrast → features → reference (AUC, medium) |", "|---|---|---|"]
    for card in made:
        if card.title.endswith(PHANTOM):
            stem = card.path.stem
            climbs = [
                " → ".join(f"{entry['rungs']['medium'][rung]['auc']:.2f}" for rung in RUNGS)
                for task, entry in ladders.items()
                if stem in TASKS[task]
            ]
            lines.append(
                f"| [{card.title.removesuffix(PHANTOM)}]({stem}.md) | {_sentence(card)} | {'; '.join(climbs)} |"
            )
    return "\n".join(lines)


def _set_list(made: list[Page], root: Path) -> str:
    from medcourse.data.catalogue import read_catalogue

    known = read_catalogue(root / FOLDER / "registry.toml")
    lines = ["| set | task | licence | access |", "|---|---|---|---|"]
    for card in made:
        if not card.title.endswith(PHANTOM):
            entry = known[card.path.stem]
            lines.append(
                f"| [{card.title}]({card.path.stem}.md) | {entry['task']} | {entry['licence']} | {entry['access']} |"
            )
    return "\n".join(lines)


def _sentence(card: Page) -> str:
    """The sentence under the card's title."""
    lines = card.text.split("\n\n")[1].split("\n")
    return " ".join(line.strip() for line in lines)
