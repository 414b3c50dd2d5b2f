"""Synthetic images, signals, sentences and tables with known truth: one call each, nothing downloaded."""

from medcourse.data.phantoms._cohort import DIFFICULTY, Phantoms, Scanner, Site, Subgroup
from medcourse.data.phantoms.chest_ct import chest_ct_slices, chest_ct_volumes
from medcourse.data.phantoms.cine_heart import cine_hearts, ventricular_volumes
from medcourse.data.phantoms.cohort import COHORT_GRAPH, Cohort, cohorts
from medcourse.data.phantoms.ecg import ECG_CLASSES, Signals, ecgs
from medcourse.data.phantoms.growth import FollowUp, follow_up, grow, recist
from medcourse.data.phantoms.mammogram import mammograms
from medcourse.data.phantoms.patches import Parts, Patches, assemble, ideal_scores, mammogram_parts, mammogram_patches

__all__ = [
    "COHORT_GRAPH",
    "DIFFICULTY",
    "ECG_CLASSES",
    "Cohort",
    "FollowUp",
    "Parts",
    "Patches",
    "Phantoms",
    "Scanner",
    "Signals",
    "Site",
    "Subgroup",
    "assemble",
    "chest_ct_slices",
    "chest_ct_volumes",
    "cine_hearts",
    "cohorts",
    "ecgs",
    "follow_up",
    "grow",
    "ideal_scores",
    "mammogram_parts",
    "mammogram_patches",
    "mammograms",
    "recist",
    "ventricular_volumes",
]
