"""Honest evaluation: intervals over patients, calibration, operating points."""
