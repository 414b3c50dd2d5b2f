"""The papers around the pages say what is so: README, CONTRIBUTING, citation, workflows, glossary, bibliography.

Each rule is a function that returns faults; it is tried on the repository, and on a text that breaks it.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml
from pybtex.database import parse_string

from tools.page import all_pages
from tools.settings import repository

ROOT = Path(__file__).resolve().parents[2]
PAGES = {page.name: page for page in all_pages(ROOT)}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

REQUIRED_FIELDS = {
    "article": {"author", "title", "journal", "year"},
    "book": {"author", "title", "publisher", "year"},
    "incollection": {"author", "title", "booktitle", "publisher", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "misc": {"title", "year"},
    "techreport": {"author", "title", "institution", "year"},
}
ZH = "中文\uff1a"  # with the full-width colon
TRACEABLE = {"doi", "eprint", "url", "howpublished", "journal", "publisher", "booktitle", "institution", "note"}


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", text_of("Makefile"), re.MULTILINE))


def code_of(markdown: str) -> list[str]:
    """Fenced blocks and inline code of a Markdown text."""
    blocks = re.findall(r"^ *```[^\n]*\n(.*?)^ *```", markdown, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^ *```[^\n]*\n.*?^ *```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return blocks + re.findall(r"(?<!`)`([^`\n]+)`(?!`)", rest)


def unknown_verbs(markdown: str, known: set[str]) -> set[str]:
    used = {
        verb for code in code_of(markdown) for verb in re.findall(r"(?:^|&& )\s*make ([a-z-]+)", code, re.MULTILINE)
    }
    return used - known


def unknown_settings(commands: str, makefile: str) -> set[str]:
    """Variables given to make that the Makefile does not read."""
    given = {
        name
        for line in re.findall(r"\bmake [a-z-]+((?: [A-Z]+=[^\s`]*)+)", commands)
        for name in re.findall(r"([A-Z]+)=", line)
    }
    return {
        name
        for name in given
        if f"$({name})" not in makefile and not re.search(rf"^{name} \?=", makefile, re.MULTILINE)
    }


def broken_links(markdown: str, folder: Path) -> list[str]:
    links = re.findall(r"\]\((?!https?://|mailto:|#)([^)\s#]+)", markdown)
    return [link for link in links if not (folder / link).exists()]


# README and CONTRIBUTING ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "book/how-to-use.md", "book/for-instructors.md", "book/index.md"]
)
def test_commands_exist_in_the_makefile(name: str) -> None:
    assert unknown_verbs(text_of(name), targets()) == set()
    assert unknown_settings("\n".join(code_of(text_of(name))), text_of("Makefile")) == set()


def test_an_unknown_command_is_noticed() -> None:
    assert unknown_verbs("Run `make sense`, and\n\n```bash\nmake haste\n```\n", targets()) == {"sense", "haste"}
    assert unknown_verbs("One can make sense of it.", targets()) == set()
    assert unknown_settings("make book COLOUR=red EDITION=student", text_of("Makefile")) == {"COLOUR"}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_to_files_resolve(name: str) -> None:
    assert broken_links(text_of(name), ROOT) == []


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    assert broken_links("[a](gone.md) [b](https://example.org/x) [c](#here)", tmp_path) == ["gone.md"]


def test_readme_begins_with_the_course_the_picture_and_the_two_commands() -> None:
    readme = text_of("README.md")
    order = [readme.index(part) for part in ("# ", "![", "make book", "make test", "## ")]
    assert order == sorted(order)
    alt = re.search(r"!\[(.*?)\]\(\.github/screenshot\.png\)", readme, re.DOTALL)
    assert alt
    assert len(alt.group(1).split()) >= 15


def test_contributing_names_files_that_exist() -> None:
    """Paths in the recipes exist, except those of the page that the first recipe is about to write."""
    named = {
        code
        for code in code_of(text_of("CONTRIBUTING.md"))
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+|_toc\.yml|Makefile", code)
    }
    named = {name for name in named if "3-1-5-deblurring" not in name and not name.startswith("_build")}
    assert len(named) >= 8
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("recipe", ["Add a page", "Add a data set", "Add an exercise"])
def test_recipes_are_ten_numbered_steps(recipe: str) -> None:
    section = text_of("CONTRIBUTING.md").split(f"## {recipe}\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^(\d+)\. ", section, re.MULTILINE) == [str(i) for i in range(1, 11)]


# Citation, licences, changelog, environment ---------------------------------------------------------------------------


def test_citation_is_whole_and_of_this_version() -> None:
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors", "type", "license", "version", "repository-code"} <= set(
        citation
    )
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"]
    assert all("name" in author or {"family-names", "given-names"} <= set(author) for author in citation["authors"])
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == repository(ROOT).url
    assert f"version {PROJECT['version']}" in text_of("book/index.md")


def test_package_and_project_have_one_version() -> None:
    assert (
        re.search(r'^__version__ = "(.+)"$', text_of("medcourse/__init__.py"), re.MULTILINE).group(1)
        == PROJECT["version"]
    )


def test_repository_addresses_follow_the_one_setting() -> None:
    """Every address of a repository in the papers is the setting's, or the example's of a fork."""
    allowed = {repository(ROOT).url, "https://github.com/your-university/your-course"}
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "book/index.md",
        "book/for-instructors.md",
        "book/how-to-use.md",
    ):
        found = set(re.findall(r"https(?:://|%3A%2F%2F)github\.com(?:/|%2F)[\w-]+(?:/|%2F)[\w-]+", text_of(name)))
        found = {address.replace("%3A", ":").replace("%2F", "/") for address in found}
        assert found <= allowed, f"{name}: {found - allowed}"


def test_licences_are_whole() -> None:
    code, prose = text_of("LICENSE"), text_of("LICENSE-TEXT")
    assert code.startswith("BSD 3-Clause License")
    assert all(f"\n{i}. " in code for i in (1, 2, 3))
    assert prose.startswith("Attribution 4.0 International")
    assert [int(i) for i in re.findall(r"^Section (\d) -- ", prose, re.MULTILINE)] == list(range(1, 9))
    assert set(PROJECT["license-files"]) == {"LICENSE", "LICENSE-TEXT"}


def test_changelog_has_the_form_of_keep_a_changelog() -> None:
    log = text_of("CHANGELOG.md")
    headings = re.findall(r"^## (.+)$", log, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", heading) for heading in headings[1:])
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", log, re.MULTILINE)) <= kinds


def test_conda_and_binder_install_the_lock_and_then_the_package_alone() -> None:
    environment = yaml.safe_load(text_of("environment.yml"))
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["-r requirements/all.txt"]
    assert "--hash=sha256:" in text_of("requirements/all.txt")
    assert "python=3.11" in environment["dependencies"]
    script = ROOT / "postBuild"
    assert os.access(script, os.X_OK), "postBuild is not executable: chmod +x postBuild"
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    installs = re.findall(r"pip install (.+)", script.read_text("utf-8"))
    assert installs
    assert all("--no-deps" in arguments for arguments in installs)


# Workflows ------------------------------------------------------------------------------------------------------------


def workflow_faults(text: str, known: set[str]) -> list[str]:
    """What is wrong with a workflow: verbs, pins, rights, secrets, limits."""
    workflow, faults = yaml.safe_load(text), []
    if workflow.get("permissions") != {"contents": "read"}:
        faults.append("the workflow's own permissions must be just contents: read")
    if re.search(r"secrets\.", text):
        faults.append("it uses a secret")
    jobs = workflow["jobs"]
    for name, job in jobs.items():
        if "timeout-minutes" not in job:
            faults.append(f"{name}: no time limit")
        needs = job.get("needs", [])
        faults += [
            f"{name}: needs {n}, which is no job"
            for n in ([needs] if isinstance(needs, str) else needs)
            if n not in jobs
        ]
        for step in job["steps"]:
            if "uses" in step and not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]):
                faults.append(f"{name}: {step['uses']} is not pinned by a full commit")
            run = step.get("run", "")
            if "${{" in run:
                faults.append(f"{name}: an expression inside a script; pass it as an environment variable")
            faults += [
                f"{name}: make {verb} is no verb"
                for verb in re.findall(r"^\s*make ([a-z-]+)", run, re.MULTILINE)
                if verb not in known
            ]
            scripts = [
                word
                for word in re.findall(r"^\s*(\.[\w-]+/[\w./-]+)", run, re.MULTILINE)
                if not word.startswith(".venv")
            ]
            faults += [f"{name}: {script} does not exist" for script in scripts if not (ROOT / script).exists()]
    return faults


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_is_sound(path: Path) -> None:
    assert workflow_faults(path.read_text("utf-8"), targets()) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_scripts_in_workflows_parse(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text("utf-8"))["jobs"]
    scripts = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    for script in scripts:
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0, script
        for code in re.findall(r"python3 - <<'END'\n(.*?)^END$", script, re.MULTILINE | re.DOTALL):
            compile(code, path.name, "exec")


def test_workflows_are_the_three() -> None:
    assert {path.stem for path in WORKFLOWS} == {"test", "weekly", "deploy"}


def test_pins_say_their_version_and_agree() -> None:
    pins = [
        pin
        for path in WORKFLOWS
        for pin in re.findall(r"uses: ([\w-]+/[\w-]+)@(\w+) # (v[\d.]+)$", path.read_text("utf-8"), re.MULTILINE)
    ]
    uses = sum(path.read_text("utf-8").count("uses: ") for path in WORKFLOWS)
    assert len(pins) == uses
    assert all(count == 1 for count in Counter(action for action, *_ in set(pins)).values())


def test_a_faulty_workflow_is_noticed() -> None:
    text = """
permissions: write-all
jobs:
  a:
    needs: b
    steps:
      - uses: actions/checkout@v5
      - run: make haste
      - run: .ci/gone ${{ secrets.TOKEN }}
"""
    faults = "\n".join(workflow_faults(text, targets()))
    expected = (
        "permissions",
        "secret",
        "no time limit",
        "no job",
        "not pinned",
        "make haste",
        ".ci/gone",
        "expression",
    )
    assert [word for word in expected if word not in faults] == []


# Glossary and bibliography --------------------------------------------------------------------------------------------


def glossary(text: str) -> list[tuple[list[str], str]]:
    """Entries of the glossary: terms (the first and its synonyms) and the definition."""
    match = re.search(r"^:::\{glossary\}\n(.*?)^:::$", text, re.MULTILINE | re.DOTALL)
    assert match, "book/glossary.md holds no glossary directive"
    entries = []
    for block in re.split(r"\n\s*\n", match.group(1).strip("\n")):
        lines = block.split("\n")
        terms = [line.strip() for line in lines if line and not line.startswith(" ")]
        entries.append((terms, " ".join(line.strip() for line in lines if line.startswith(" "))))
    return entries


def order(term: str) -> str:
    return re.sub(r"[^\w]", "", term.casefold())


def glossary_faults(text: str) -> list[str]:
    entries = glossary(text)
    names = [terms[0] for terms, _ in entries if terms]
    faults = [f"{b} stands after {a}" for a, b in itertools.pairwise(names) if order(a) > order(b)]
    counts = Counter(order(term) for terms, _ in entries for term in terms)
    faults += [f"{term} is defined twice" for term, count in counts.items() if count > 1]
    for terms, definition in entries:
        label = terms[0] if terms else definition[:30]
        if not terms or not definition:
            faults.append(f"{label}: an entry is a term and, indented below it, its definition")
        elif not re.search(ZH + r"[^\s。].*$", definition):
            faults.append(f"{label}: the definition does not end with {ZH}…")
        elif len(definition.split(ZH)[0].split()) > 45:
            faults.append(f"{label}: the definition is long; a glossary has one line")
    return faults


def terms_used() -> dict[str, str]:
    """Terms that pages link, with the page."""
    used = {}
    for page in PAGES.values():
        for text in re.findall(r"\{term\}`([^`]+)`", page.text):
            target = re.search(r"<(.+)>$", " ".join(text.split()))
            used[order(target.group(1) if target else text)] = f"{page.name}: {text}"
    return used


def cited() -> dict[str, str]:
    """Keys that pages cite, with the page."""
    roles = re.compile(r"\{cite(?::[a-z]+)?\}`([^`]+)`")
    return {
        key.strip(): page.name
        for page in PAGES.values()
        for keys in roles.findall(page.text)
        for key in keys.split(",")
    }


def bibliography_faults(text: str) -> list[str]:
    faults, seen = [], {}
    keys = re.findall(r"^@\w+\{([^,\s]+),", text, re.MULTILINE)
    faults += [f"{key} occurs twice" for key, count in Counter(key.casefold() for key in keys).items() if count > 1]
    if faults:
        return faults
    for key, entry in parse_string(text, "bibtex").entries.items():
        fields = {name.lower() for name in entry.fields} | {role.lower() for role in entry.persons}
        if entry.type not in REQUIRED_FIELDS:
            faults.append(f"{key}: type {entry.type}; use {', '.join(sorted(REQUIRED_FIELDS))}")
            continue
        faults += [f"{key}: {name} is missing" for name in sorted(REQUIRED_FIELDS[entry.type] - fields)]
        if not fields & TRACEABLE:
            faults.append(f"{key}: nothing by which a reader could find it")
        if not re.fullmatch(r"\d{4}", entry.fields.get("year", "")):
            faults.append(f"{key}: year is not four digits")
        if re.search(r"\d-\d", entry.fields.get("pages", "").replace("--", "–")):
            faults.append(f"{key}: a page range takes two hyphens")
        doi = entry.fields.get("doi")
        if doi is None:
            continue
        if not re.fullmatch(r"10\.\d{4,9}/\S+", doi):
            faults.append(f"{key}: doi {doi!r} is not of the form 10.xxxx/…")
        if doi.casefold() in seen:
            faults.append(f"{key}: same doi as {seen[doi.casefold()]}")
        seen[doi.casefold()] = key
    return faults


def test_glossary_is_in_order_and_bilingual() -> None:
    assert glossary_faults(text_of("book/glossary.md")) == []


def test_a_faulty_glossary_is_noticed() -> None:
    entries = f"window\n  Some greys. {ZH}窗\n\nmask\n  Pixels that count.\n\nMask\n  Again. {ZH}掩膜\n"
    text = f":::{{glossary}}\n{entries}:::\n"
    faults = "\n".join(glossary_faults(text))
    assert all(
        word in faults for word in ("mask stands after window", "defined twice", "mask: the definition does not end")
    )


def test_linked_terms_are_in_the_glossary() -> None:
    defined = {order(term) for terms, _ in glossary(text_of("book/glossary.md")) for term in terms}
    assert {where for term, where in terms_used().items() if term not in defined} == set()
    assert len(terms_used()) >= 10


def test_citations_are_in_the_bibliography() -> None:
    keys = set(parse_string(text_of("book/references.bib"), "bibtex").entries)
    assert {f"{page}: {key}" for key, page in cited().items() if key not in keys} == set()
    assert len(cited()) >= 5


def test_bibliography_entries_are_whole() -> None:
    assert bibliography_faults(text_of("book/references.bib")) == []


def test_a_faulty_bibliography_is_noticed() -> None:
    good = "@article{a1, author={A, B}, title={T}, journal={J}, year={2000}, doi={10.1000/x}}\n"
    assert bibliography_faults(good) == []
    assert bibliography_faults(good + good) == ["a1 occurs twice"]
    assert bibliography_faults(good + good.replace("a1", "a2")) == ["a2: same doi as a1"]
    assert bibliography_faults(good.replace(" journal={J},", "")) == ["a1: journal is missing"]
    assert bibliography_faults(good.replace("10.1000/x", "https://doi.org/10.1000/x"))


# Minutes --------------------------------------------------------------------------------------------------------------


def minutes(name: str, *parts: str) -> float:
    stated = PAGES[name].course.get("minutes") or {}
    return sum(stated.get(part, 0) for part in parts or ("read", "run", "exercise"))


def rows_with_minutes() -> list[tuple[str, str, list[float]]]:
    """Rows of tables that link one page and end in numbers: where, page, numbers."""
    rows = []
    for page in PAGES.values():
        for line in re.findall(r"^\|(.+)\|$", page.text, re.MULTILINE):
            cells = [cell.strip() for cell in line.split("|")]
            link = re.fullmatch(r"\[[^\]]+\]\(([^)]+)\.md\)", cells[0])
            numbers = [float(m.group(1)) for cell in cells[1:] if (m := re.fullmatch(r"(\d+)(?: min)?", cell))]
            if link and numbers:
                target = os.path.normpath(Path(page.name).parent / link.group(1))
                rows.append((page.name, target, numbers))
    return rows


@pytest.mark.parametrize(("where", "target", "numbers"), rows_with_minutes())
def test_tables_repeat_the_minutes_of_the_page(where: str, target: str, numbers: list[float]) -> None:
    parts = [minutes(target, part) for part in ("read", "run", "exercise")]
    assert numbers == (parts if len(numbers) == 3 else [sum(parts)])


def test_every_section_is_in_a_table_with_its_minutes() -> None:
    linked = Counter(target for _, target, _ in rows_with_minutes())
    assert [name for name, page in PAGES.items() if page.section and not linked[name]] == []


def test_hours_of_the_paths_follow_from_the_minutes() -> None:
    sections = [name for name, page in PAGES.items() if page.section]
    labs, quizzes = ([name for name in PAGES if name.endswith(f"/{kind}")] for kind in ("lab", "quiz"))
    expected = {
        "A clinician": minutes("index")
        + sum(minutes(name, "read", "run") for name in sections)
        + sum(map(minutes, quizzes)),
        "An engineer": minutes("notation") + sum(map(minutes, [*sections, *labs])),
        "A student": sum(minutes(name) for name in PAGES if name != "for-instructors"),
    }
    stated = re.findall(r"^\*\*(An? \w+): ([\d.]+) hours\.\*\*", text_of("book/how-to-use.md"), re.MULTILINE)
    assert {who: float(hours) for who, hours in stated} == {
        who: round(value / 30) / 2 for who, value in expected.items()
    }
