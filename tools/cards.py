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
RUNGS = {
    "chance": "nothing to see",
    "contrast": "contrast alone",
    "features": "hand features",
    "ceiling": "reference observer",
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
    tables = [_ladder(task, entry) for task, entry in read_ladders(root).items() if name in entry["phantoms"]]
    return "".join(f"{table}\n\n" for table in tables)


def _ladder(task: str, entry: dict[str, Any]) -> str:
    """One task's ladder as a table: AUC with its 95 % interval, for each difficulty."""
    levels = [level for level in ("easy", "medium", "hard") if level in entry["levels"]]
    caption = (
        f"**Observer ladder, {task.replace('_', ' ')}**: area under the ROC curve on {entry['n_test']} patients whom "
        "no observer has seen, with its 95 % interval; fixed before any network was trained."
    )
    lines = [
        caption,
        "",
        "| observer | " + " | ".join(levels) + " |",
        "|---|" + "---|" * len(levels),
    ]
    for rung, title in RUNGS.items():
        shown = [entry["levels"][level][rung] if rung != "chance" else entry["chance"] for level in levels]
        cells = [f"{auc:.2f} ({low:.2f}–{high:.2f})" for auc, low, high in shown]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _phantom_list(made: list[Page], root: Path) -> str:
    ladders = read_ladders(root)
    lines = ["| phantom | what it is | contrast → features → reference (AUC, medium) |", "|---|---|---|"]
    for card in made:
        if card.title.endswith(PHANTOM):
            stem = card.path.stem
            climbs = [
                " → ".join(f"{entry['levels']['medium'][rung][0]:.2f}" for rung in ("contrast", "features", "ceiling"))
                for entry in ladders.values()
                if stem in entry["phantoms"]
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
