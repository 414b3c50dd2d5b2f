"""Synthetic images, signals, sentences and tables with known truth: one call each, nothing downloaded."""

from medcourse.data.phantoms._cohort import DIFFICULTY, Phantoms, Scanner, Site, Subgroup
from medcourse.data.phantoms.brain_mr import (
    MR_SEQUENCES,
    MR_TISSUES,
    MrSequence,
    MrTissue,
    brain_mr,
    brain_mr_volumes,
    mr_signal,
)
from medcourse.data.phantoms.breast_dce import breast_dce, phase_times
from medcourse.data.phantoms.chest_ct import chest_ct_slices, chest_ct_volumes
from medcourse.data.phantoms.cine_heart import cine_hearts, ventricular_volumes
from medcourse.data.phantoms.cohort import COHORT_GRAPH, Cohort, cohorts
from medcourse.data.phantoms.ecg import ECG_CLASSES, Signals, ecgs
from medcourse.data.phantoms.growth import FollowUp, follow_up, grow, recist
from medcourse.data.phantoms.kinetics import (
    curve_type,
    plasma_concentration,
    spoiled_gradient_echo,
    tissue_concentration,
)
from medcourse.data.phantoms.mammogram import mammograms
from medcourse.data.phantoms.patches import Parts, Patches, assemble, ideal_scores, mammogram_parts, mammogram_patches
from medcourse.data.phantoms.reports import REPORT_FINDINGS, Reports, reports

__all__ = [
    "COHORT_GRAPH",
    "DIFFICULTY",
    "ECG_CLASSES",
    "MR_SEQUENCES",
    "MR_TISSUES",
    "REPORT_FINDINGS",
    "Cohort",
    "FollowUp",
    "MrSequence",
    "MrTissue",
    "Parts",
    "Patches",
    "Phantoms",
    "Reports",
    "Scanner",
    "Signals",
    "Site",
    "Subgroup",
    "assemble",
    "brain_mr",
    "brain_mr_volumes",
    "breast_dce",
    "chest_ct_slices",
    "chest_ct_volumes",
    "cine_hearts",
    "cohorts",
    "curve_type",
    "ecgs",
    "follow_up",
    "grow",
    "ideal_scores",
    "mammogram_parts",
    "mammogram_patches",
    "mammograms",
    "mr_signal",
    "phase_times",
    "plasma_concentration",
    "recist",
    "reports",
    "spoiled_gradient_echo",
    "tissue_concentration",
    "ventricular_volumes",
]
