"""Features by pyradiomics, for `benchmarks.features`: run by a Python of its own, in which pyradiomics is installed.

Usage: ``PYTHON benchmarks/pyradiomics_worker.py IN.npz OUT.npz``; IN holds `images`, `masks`, `spacing` (row, column
in mm) and `bins`; OUT gets `seconds` and one array for each feature.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import numpy as np
import radiomics  # not a dependency of the course
import SimpleITK as sitk  # noqa: N813 - the name everyone gives it
from radiomics import featureextractor


def main() -> None:
    data = np.load(sys.argv[1])
    radiomics.logger.setLevel(logging.ERROR)
    extractor = featureextractor.RadiomicsFeatureExtractor(
        binCount=int(data["bins"]), force2D=True, force2Ddimension=0, distances=[1], additionalInfo=False
    )
    extractor.disableAllFeatures()
    extractor.enableFeaturesByName(firstorder=[], glcm=[], glrlm=[], shape2D=[])
    rows = []
    began = time.perf_counter()
    for image, mask in zip(data["images"], data["masks"]):  # noqa: B905 - runs on old Pythons too
        # One slice of a volume: of a two-dimensional image pyradiomics would freeze the rows.
        picture = sitk.GetImageFromArray(image[None].astype(np.float64))
        region = sitk.GetImageFromArray(mask[None].astype(np.uint8))
        for part in (picture, region):
            part.SetSpacing((*data["spacing"][::-1].tolist(), 1.0))
        rows.append({name: float(value) for name, value in extractor.execute(picture, region).items()})
    seconds = time.perf_counter() - began
    columns: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    np.savez(sys.argv[2], seconds=seconds, version=radiomics.__version__, **columns)


if __name__ == "__main__":
    main()
