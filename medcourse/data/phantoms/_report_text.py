"""Turning rules into sentences, and keeping count of where every finding and every cue stands in the text."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from medcourse.data.phantoms._report_grammar import BY_NAME, FILLERS, FINDINGS, RULES, Finding, Rule

SLOT = re.compile(r"\{(\w+)\}|\[([^\]]+)\]")
STATED = ("present", "uncertain", "absent")


class Phrase(NamedTuple):
    """A finding in words: what stands `before` and `after` its `term`, and what was said about it."""

    finding: Finding
    before: str
    term: str
    after: str
    plural: bool
    mass: bool
    side: str
    severity: str
    size_mm: float
    place: str


def pick(rng: np.random.Generator, options: tuple[Any, ...]) -> Any:
    return options[int(rng.integers(len(options)))]


def draw_phrase(rng: np.random.Generator, finding: Finding, status: str) -> Phrase:
    """Word a finding: with side, severity and place where it is stated, more plainly where it is denied."""
    singular, plural_term = pick(rng, finding.terms)
    severity = pick(rng, finding.severities) if finding.severities and rng.random() < 0.5 else ""
    side = pick(rng, finding.sides) if finding.sides and rng.random() < 0.7 else ""
    size = float(rng.integers(4, 29)) if finding.sized and rng.random() < 0.7 else np.nan
    place = pick(rng, finding.places) if finding.places and rng.random() < 0.7 else ""
    many = bool(plural_term) and rng.random() < 0.15
    plain = rng.random() < 0.5
    if status in ("absent", "asked", "history") and plain:
        side, place = "", ""
    if status in ("absent", "asked", "history"):  # "no large effusion" would leave room for a small one
        severity, side = "", "" if side == "bilateral" else side
    if status != "present":
        size = np.nan
    if side == "bilateral":
        many = bool(plural_term)
    if many:
        size, place = np.nan, ""
    words = [severity, side, "" if np.isnan(size) else f"{size:.0f} mm"]
    before = " ".join(word for word in words if word)
    term = plural_term if many else singular
    mass = not plural_term
    return Phrase(finding, before, term, place, many, mass, side, severity, size, place)


def article(word: str) -> str:
    """Indefinite article before a word or a number."""
    return "an" if re.match(r"[aeiou]|8|11\b|18\b", word) else "a"


def is_countable(phrase: Phrase) -> bool:
    return not phrase.plural and (not phrase.mass or phrase.finding.name == "pneumothorax")


def write(
    rule: Rule, phrases: list[Phrase], distance_mm: int
) -> tuple[str, list[tuple[int, int]], list[tuple[int, int]]]:
    """Write a sentence: the text, the span of each finding's term, and the span of each cue."""
    text, terms, cues = "", [(0, 0)] * len(phrases), []

    def add(piece: str) -> None:
        nonlocal text
        text += piece[:1].upper() + piece[1:] if not text else piece

    def noun(k: int, with_article: bool) -> None:
        phrase = phrases[k]
        before = f"{phrase.before} " if phrase.before else ""
        if with_article and is_countable(phrase):
            before = f"{article(before or phrase.term)} {before}"
        add(before)
        start = len(text)
        add(phrase.term)
        terms[k] = (start, len(text))
        add(f" {phrase.after}" if phrase.after else "")

    verbs = {"is": ("is", "are"), "has": ("has", "have"), "was": ("was", "were")}
    end = 0
    for match in SLOT.finditer(rule.template):
        if match.start() > end:
            add(rule.template[end : match.start()])
        end = match.end()
        if match[2]:
            start = len(text)
            add(match[2])
            cues.append((start, len(text)))
        elif match[1] == "distance":
            add(f"{distance_mm} mm")
        else:
            name, k = match[1][:-1], int(match[1][-1]) - 1
            if name in verbs:
                add(verbs[name][phrases[k].plural])
            else:
                noun(k, name == "np")
    add(rule.template[end:])
    return text, terms, cues


def choose_rule(rng: np.random.Generator, statuses: tuple[str, ...], sized: bool, tricky: float) -> Rule:
    fits = [rule for rule in RULES if rule.statuses == statuses and (sized or not rule.sized)]
    hard = [rule for rule in fits if rule.tricky]
    plain = [rule for rule in fits if not rule.tricky]
    use_hard, at = rng.random() < tricky, rng.random()
    chosen = (hard or plain) if use_hard else (plain or hard)
    return chosen[int(at * len(chosen))]


def draw_statuses(
    rng: np.random.Generator, target: str, ill: bool, amplitude: float, negation: float, others: float
) -> dict[str, str]:
    """What the report will say of each finding: present, uncertain, absent, or nothing ("")."""
    said = {}
    for finding in FINDINGS:
        u, sick = rng.random(2)
        if finding.name == target:
            p = probabilities(ill, amplitude, negation)
        else:
            p = probabilities(bool(sick < others), 1.0, negation)
        said[finding.name] = (*STATED, "")[int(np.searchsorted(np.cumsum(p)[:-1], u, side="right"))]
    return said


def probabilities(ill: bool, amplitude: float, negation: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Chances that the finding is called present, uncertain, absent, or is not mentioned."""
    healthy = np.array([0.02, 0.06, 0.92 * negation, 0.92 * (1 - negation)])
    p = healthy + (amplitude * (np.array([0.86, 0.08, 0.02, 0.04]) - healthy) if ill else 0.0)
    p = np.maximum(p, 0.0)
    result: np.ndarray[tuple[int], np.dtype[np.float64]] = p / p.sum()
    return result


def group(
    rng: np.random.Generator, said: dict[str, str], sentences: int
) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Put the stated findings into sentences of one to three; what has no room is left out, denials first."""
    left = {status: [name for name, value in said.items() if value == status] for status in STATED}
    for names in left.values():
        rng.shuffle(names)
    made: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    while any(left.values()) and len(made) < sentences:
        count = {status: len(names) for status, names in left.items()}
        options: list[tuple[str, ...]] = []
        if count["present"]:
            options += [("present",)] * 3
            options += [("present", "present")] * (count["present"] > 1)
            options += [("present", "absent"), ("absent", "present")] * (count["absent"] > 0)
        elif count["uncertain"]:
            options += [("uncertain",)]
        else:
            options += [("absent",)] * 2
            options += [("absent", "absent")] * (3 * (count["absent"] > 1))
            options += [("absent", "absent", "absent")] * (2 * (count["absent"] > 2))
        statuses = options[int(rng.integers(len(options)))]
        made.append((statuses, tuple(left[status].pop() for status in statuses)))
    return made


def compose(
    rng: np.random.Generator, said: dict[str, str], target: str, sentences: int, tricky: float
) -> tuple[str, list[dict[str, Any]], list[dict[str, Any]]]:
    """Write a report: its text, its sentences and its mentions."""
    order = {name: said[name] for name in (target, *said)}  # the target has a place whatever else is said
    plan = group(rng, order, sentences)
    if said[target] and not any(target in names for _, names in plan):
        plan[-1] = ((said[target],), (target,))
    free = sentences - len(plan)
    asked = rng.random() < 0.35
    about = target if rng.random() < 0.5 else FINDINGS[int(rng.integers(len(FINDINGS)))].name
    kind = ("asked", "history")[int(rng.random() < 0.35)]
    if asked and free > 0:
        plan.insert(0, ((kind,), (about,)))
        free -= 1
    lines: list[tuple[tuple[str, ...], tuple[str, ...]] | str] = list(plan)
    for k in rng.permutation(len(FILLERS))[:free]:
        lines.insert(int(rng.integers(asked, len(lines) + 1)), FILLERS[int(k)])
    text, rows, mentions = "", [], []
    for number, line in enumerate(lines):
        text += " " if text else ""
        start = len(text)
        if isinstance(line, str):
            text += line.format(cm=int(rng.integers(2, 7)))
            rows.append({"sentence": number, "start": start, "end": len(text), "rule": "filler"})
            continue
        statuses, names = line
        phrases = [draw_phrase(rng, BY_NAME[name], status) for name, status in zip(names, statuses, strict=True)]
        rule = choose_rule(rng, statuses, phrases[0].finding.sized and not phrases[0].plural, tricky)
        distance = int(rng.integers(3, 31))
        sentence, terms, cues = write(rule, phrases, distance)
        text += sentence
        rows.append({"sentence": number, "start": start, "end": len(text), "rule": rule.name})
        for k, phrase in enumerate(phrases):
            cue = rule.cues[k]
            span = (-1, -1) if cue < 0 else (start + cues[cue][0], start + cues[cue][1])
            mentions.append(
                {
                    "sentence": number, "finding": names[k], "status": statuses[k], "term": phrase.term,
                    "start": start + terms[k][0], "end": start + terms[k][1],
                    "cue": "" if cue < 0 else sentence[cues[cue][0] : cues[cue][1]], "cue_start": span[0],
                    "cue_end": span[1], "cue_kind": rule.kinds[k], "side": phrase.side, "severity": phrase.severity,
                    "size_mm": phrase.size_mm, "place": phrase.place,
                    "distance_mm": float(distance) if rule.sized else np.nan, "prior": int(rule.prior),
                    "rule": rule.name,
                }
            )  # fmt: skip
    return text, rows, mentions
