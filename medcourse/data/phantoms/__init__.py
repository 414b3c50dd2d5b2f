"""Synthetic images, signals, sentences and tables with known truth: one call each, nothing downloaded."""

from medcourse.data.phantoms._cohort import DIFFICULTY, Phantoms, Scanner, Site, Subgroup
from medcourse.data.phantoms.patches import Parts, Patches, assemble, ideal_scores, mammogram_parts, mammogram_patches

__all__ = [
    "DIFFICULTY",
    "Parts",
    "Patches",
    "Phantoms",
    "Scanner",
    "Site",
    "Subgroup",
    "assemble",
    "ideal_scores",
    "mammogram_parts",
    "mammogram_patches",
]
