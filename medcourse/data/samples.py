"""Real images that the dependencies ship: always there, no network, known source and licence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medcourse.data import dicom

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["brain_template", "ct", "ct_path", "retina"]


def brain_template() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Load the mean T1-weighted picture of 152 brains and its maps of grey and white matter.

    Returns
    -------
    t1, grey, white : numpy.ndarray
        uint8, 0 to 255, each of shape (z, y, x) = (189, 233, 197), voxels of 1 mm; z upwards, y to the back, x to the
        patient's left, so that a plane is seen from below with the front at the top. The maps are shares of tissue.

    Raises
    ------
    ModuleNotFoundError
        If nilearn is not installed.
    FileNotFoundError
        If the installed nilearn lacks a file.

    Notes
    -----
    Taught in: 4.2.2 Clustering. The symmetric ICBM 152 average of 2009 (Fonov et al. 2011,
    doi 10.1016/j.neuroimage.2010.07.033), as shipped with nilearn; the maps were made from the same pictures.
    Licence: nilearn's description of the template says "unknown"; it is read from there and not stored here.
    Read with nibabel from nilearn's own folder: to import `nilearn.datasets` for it takes five seconds.

    Examples
    --------
    >>> t1, grey, white = brain_template()
    >>> t1.shape, t1[95].max().item()
    ((189, 233, 197), 235)
    """
    from importlib.util import find_spec

    import nibabel

    spec = find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("nilearn is not installed, and its template is needed: pip install nilearn")
    folder = Path(spec.origin).parent / "datasets" / "data"

    def volume(name: str) -> NDArray[np.uint8]:
        file = folder / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"
        if not file.is_file():
            raise FileNotFoundError(
                f"{file.name} is not in the installed nilearn; install it again: pip install nilearn"
            )
        voxels = np.asarray(nibabel.Nifti1Image.from_filename(file).dataobj)
        return np.ascontiguousarray(voxels[::-1, ::-1].transpose(2, 1, 0))

    return volume("t1"), volume("gm"), volume("wm")


def ct_path() -> Path:
    """Find the DICOM file of the CT sample, which ships with pydicom (``CT_small.dcm``).

    Returns
    -------
    pathlib.Path
        The file, 38 kB.

    Raises
    ------
    FileNotFoundError
        If the installed pydicom lacks it.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT. `ct` says what the image shows and where it comes from.

    Examples
    --------
    >>> ct_path().name
    'CT_small.dcm'
    """
    from pydicom.data import get_testdata_file

    found = get_testdata_file("CT_small.dcm", download=False)
    if not isinstance(found, str):
        raise FileNotFoundError("CT_small.dcm is not in the installed pydicom; install it again: pip install pydicom")
    return Path(found)


def ct() -> dicom.DicomImage:
    """Load a real CT slice: an 85 mm square piece of thoracic spine, 128 × 128 pixels, in Hounsfield units.

    Returns
    -------
    medcourse.data.dicom.DicomImage
        `pixels` float32 (rows, columns) in HU; `spacing_mm` 0.661 in both directions; `dataset`, the header.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT. One axial slice, 5 mm thick, 120 kV, with intravenous contrast medium, of
    a GE HiSpeed CT/i. Source: pydicom's test file ``CT_small.dcm``, made from ``CT1_UNC`` of the DICOM
    committee's compression samples (WG 04). Its README says "downsized to 128x128", yet 512 pixels of its
    spacing are exactly the reconstruction diameter in the header (338.67 mm): it was cropped, not resampled.
    Licence: MIT, with pydicom. The patient's name and identity in the header are made up for the samples.

    Examples
    --------
    >>> image = ct()
    >>> image.pixels.min().item(), image.pixels.max().item()
    (-896.0, 1167.0)
    """
    return dicom.read(ct_path())


def retina() -> NDArray[np.uint8]:
    """Load a colour photograph of a normal left retina.

    Returns
    -------
    numpy.ndarray
        uint8 of shape (1411, 1411, 3), red, green, blue.

    Notes
    -----
    Taught in: 3.1.1 Histogram equalisation. The round field of view is surrounded by black.
    Source: Häggström M, Medical gallery of Mikael Häggström 2014, WikiJournal of Medicine 1(2),
    doi 10.15347/wjm/2014.008, as shipped with scikit-image. Licence: CC0 1.0.

    Examples
    --------
    >>> retina().shape
    (1411, 1411, 3)
    """
    from skimage import data

    return np.asarray(data.retina(), dtype=np.uint8)
