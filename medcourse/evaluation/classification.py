"""Binary classification evaluated honestly: what the pages import.

==========================  =====================================================================
AUC and its interval        :func:`auc`, :func:`auc_bootstrap`, :func:`auc_clustered`, :func:`delong`
two models, same images     :func:`auc_difference`, :func:`delong_test`
calibration                 :func:`calibration_table`, :func:`calibration_fit`, :func:`brier_score`,
                            :func:`brier_decomposition`, :func:`expected_calibration_error`
one threshold               :func:`operating_point`, :func:`predictive_values`, :func:`proportion_interval`
all thresholds              :func:`decision_curve`, :func:`shift_prevalence`
==========================  =====================================================================

All take ``labels`` (1 disease, 0 none), ``scores`` or ``probability``, and ``patients``, one entry per image.
An interval without patients would be too narrow wherever a patient has several images, so none is given.
"""

from __future__ import annotations

from medcourse.evaluation._checks import Estimate
from medcourse.evaluation.calibration import (
    BrierDecomposition,
    CalibrationFit,
    brier_decomposition,
    brier_score,
    calibration_fit,
    calibration_table,
    expected_calibration_error,
)
from medcourse.evaluation.comparison import AucDifference, auc_difference, delong_test
from medcourse.evaluation.decision import DecisionCurve, decision_curve, shift_prevalence
from medcourse.evaluation.operating import (
    OperatingPoint,
    PredictiveValues,
    operating_point,
    predictive_values,
    proportion_interval,
)
from medcourse.evaluation.roc import AucBootstrap, AucInterval, auc, auc_bootstrap, auc_clustered, delong

__all__ = [
    "AucBootstrap",
    "AucDifference",
    "AucInterval",
    "BrierDecomposition",
    "CalibrationFit",
    "DecisionCurve",
    "Estimate",
    "OperatingPoint",
    "PredictiveValues",
    "auc",
    "auc_bootstrap",
    "auc_clustered",
    "auc_difference",
    "brier_decomposition",
    "brier_score",
    "calibration_fit",
    "calibration_table",
    "decision_curve",
    "delong",
    "delong_test",
    "expected_calibration_error",
    "operating_point",
    "predictive_values",
    "proportion_interval",
    "shift_prevalence",
]
