"""Vocabulary and rules of the report sentences: what can be found, and how it is said, denied or doubted."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """A finding: its `terms` (singular, plural; no plural for mass nouns), and what may be said about it."""

    name: str
    terms: tuple[tuple[str, str], ...]
    severities: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    sized: bool = False


_LOBES = tuple(
    f"in the {side} {lobe}"
    for side, lobe in (
        ("right", "upper lobe"), ("right", "middle lobe"), ("right", "lower lobe"), ("left", "upper lobe"),
        ("left", "lower lobe"),
    )
)  # fmt: skip
_BASES = ("at the right base", "at the left base", "at both bases")

FINDINGS: tuple[Finding, ...] = (
    Finding(
        "pleural effusion",
        (("pleural effusion", "pleural effusions"), ("effusion", "effusions"), ("pleural fluid", "")),
        ("small", "moderate", "large"), ("left", "right", "bilateral"),
    ),
    Finding(
        "pneumothorax", (("pneumothorax", ""), ("apical pneumothorax", "")), ("small", "large"), ("left", "right")
    ),
    Finding(
        "consolidation",
        (("consolidation", ""), ("airspace opacity", "airspace opacities"), ("airspace shadowing", "")),
        ("patchy", "dense"), places=_LOBES,
    ),
    Finding(
        "pulmonary nodule",
        (("pulmonary nodule", "pulmonary nodules"), ("nodule", "nodules"), ("nodular opacity", "nodular opacities")),
        places=_LOBES, sized=True,
    ),
    Finding("atelectasis", (("atelectasis", ""), ("plate-like collapse", "")), ("mild", "marked"), places=_BASES),
    Finding("cardiomegaly", (("cardiomegaly", ""), ("enlargement of the heart", "")), ("mild", "moderate", "marked")),
    Finding("pulmonary oedema", (("pulmonary oedema", ""), ("interstitial oedema", "")), ("mild", "marked")),
    Finding("pneumonia", (("pneumonia", ""), ("pneumonic infiltrate", "pneumonic infiltrates")), places=_LOBES),
    Finding("lymphadenopathy", (("hilar lymphadenopathy", ""), ("mediastinal lymphadenopathy", "")), ("bulky",)),
    Finding("emphysema", (("emphysema", ""), ("emphysematous change", "")), ("mild", "severe")),
)  # fmt: skip
BY_NAME = {finding.name: finding for finding in FINDINGS}


class Rule(NamedTuple):
    """A sentence: slots in braces, cues in brackets.

    `statuses` gives what is said of each finding; `cues` which cue decides it (−1: none), `kinds` what sort of cue
    that is. A `tricky` rule is one that a rule such as "a finding after *no* is absent" gets wrong or does not cover.
    """

    name: str
    template: str
    statuses: tuple[str, ...]
    cues: tuple[int, ...]
    kinds: tuple[str, ...]
    tricky: bool = False
    prior: bool = False
    sized: bool = False


def _rule(name: str, template: str, *said: tuple[str, int, str], **flags: bool) -> Rule:
    statuses, cues, kinds = (tuple(part) for part in zip(*said, strict=True))
    return Rule(name, template, statuses, cues, kinds, **flags)


_YES = ("present", -1, "")
_NO, _ALSO_NO = ("absent", 0, "negation"), ("absent", 1, "negation")
_PERHAPS = ("uncertain", 0, "uncertainty")

RULES: tuple[Rule, ...] = (
    _rule("there is", "There {is1} {np1}.", _YES),
    _rule("is seen", "{np1} {is1} seen.", _YES),
    _rule("is present", "{np1} {is1} present.", _YES),
    _rule("film shows", "The film shows {np1}.", _YES),
    _rule("there are two", "There {is1} {np1} and {np2}.", _YES, _YES),
    _rule("lies near", "{np1} {is1} seen, {distance} from the pleura.", _YES, sized=True),
    _rule("is new", "{np1} {is1} seen that {was1} not there on the last film.", ("present", -1, ""), tricky=True,
          prior=True),
    _rule("has grown", "The known {bare1} {has1} increased since the last film.", ("present", -1, ""), prior=True),
    _rule("no change", "There is [no change] in the known {bare1}.", ("present", 0, "pseudo-negation"), tricky=True,
          prior=True),
    _rule("no larger", "The {bare1} {is1} [no larger] than before.", ("present", 0, "pseudo-negation"), tricky=True,
          prior=True),
    _rule("not cleared", "The {bare1} {has1} [not cleared] since the last film.", ("present", 0, "pseudo-negation"),
          tricky=True, prior=True),
    _rule("no", "[No] {bare1}.", _NO),
    _rule("there is no", "There {is1} [no] {bare1}.", _NO),
    _rule("no evidence", "There is [no evidence of] {np1} or {np2}.", _NO, _NO),
    _rule("no of three", "[No] {bare1}, {bare2} or {bare3}.", _NO, _NO, _NO),
    _rule("free of", "The chest is [free of] {bare1}.", _NO),
    _rule("no sign", "There is [no sign of] {np1}.", _NO),
    _rule("is not seen", "{np1} {is1} [not] seen.", _NO, tricky=True),
    _rule("neither nor", "[Neither] {bare1} [nor] {bare2} {is2} seen.", _NO, _ALSO_NO, tricky=True),
    _rule("is excluded", "{np1} can be [excluded].", _NO, tricky=True),
    _rule("negative for", "The examination is [negative for] {bare1}.", _NO, tricky=True),
    _rule("has resolved", "The {bare1} seen before {has1} [resolved].", _NO, tricky=True, prior=True),
    _rule("no longer", "The {bare1} described before {is1} [no longer] visible.", _NO, tricky=True, prior=True),
    _rule("no but", "There {is1} [no] {bare1}, but {np2} {is2} seen.", _NO, _YES, tricky=True),
    _rule("without", "There {is1} {np1} [without] {bare2}.", _YES, _NO, tricky=True),
    _rule("cannot exclude", "{np1} [cannot be excluded].", _PERHAPS, tricky=True),
    _rule("not ruled out", "{np1} {is1} [not ruled out] by this film.", _PERHAPS, tricky=True),
    _rule("may represent", "The appearances [may represent] {np1}.", _PERHAPS),
    _rule("possible", "[Possible] {bare1}; another film is advised.", _PERHAPS),
    _rule("suspected", "{np1} {is1} [suspected].", _PERHAPS),
    _rule("unclear whether", "It is [unclear whether] {np1} {is1} present.", _PERHAPS, tricky=True),
    _rule("asked", "The request [asks about] {np1}.", ("asked", 0, "question")),
    _rule("to rule out", "The examination was made [to rule out] {np1}.", ("asked", 0, "question"), tricky=True),
    _rule("history", "There is a [history of] {np1}.", ("history", 0, "history"), tricky=True),
)  # fmt: skip
RULE_NAMES = {rule.name: rule for rule in RULES}

# Sentences without a finding; {cm} is a distance in centimetres.
FILLERS: tuple[str, ...] = (
    "Comparison is made with the film of last month.",
    "The patient is slightly rotated.",
    "The tip of the tracheal tube lies {cm} cm above the carina.",
    "The central line ends {cm} cm below the carina.",
    "The costophrenic angles are included.",
    "The ribs show no fracture.",
    "The film was taken in full inspiration.",
    "The upper abdomen is unremarkable.",
    "The film is of good quality.",
    "The trachea lies in the midline.",
    "There is a pacemaker on the left.",
    "The aorta is not widened.",
)
