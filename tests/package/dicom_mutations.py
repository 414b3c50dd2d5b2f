"""Read thousands of damaged files in a process of its own.

Run it as ``python -m tests.package.dicom_mutations KIND FIRST COUNT FOLDER``. Each case is drawn from its kind and
number alone, so a failure is repeated by running that one number. For each, a line of JSON is printed before it is read
and one after; a case that hangs or crashes the process is the last one begun.
"""

from __future__ import annotations

import faulthandler
import gzip
import io
import json
import logging
import resource
import shutil
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import RLELossless
from pydicom.valuerep import VR

from medcourse.data import dicom, nifti
from tests.package.dicom_files import cine_file, dose_file, enhanced_file, positions, shipped, slice_file, truth

MAX_BYTES = 2**24  # what a reader may take for its result
SECONDS = 10.0  # after which a file counts as hung
ADDRESS_SPACE = 2**29  # beyond what the process has when it begins

SMALL = (
    "MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm", "JPEG2000.dcm", "693_J2KI.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cr.dcm",
    "SC_rgb_rle_2frame.dcm", "SC_rgb_small_odd.dcm", "rtdose.dcm", "rtdose_rle.dcm", "image_dfl.dcm",
    "nested_priv_SQ.dcm", "rtplan.dcm", "test-SR.dcm", "DICOMDIR", "examples_palette.dcm",
)  # fmt: skip
VALUES: dict[str, list[object]] = {
    "Rows": [0, 1, 65535, 63, 65, 4096],
    "Columns": [0, 1, 65535, 63, 65, 4096],
    "NumberOfFrames": [0, -1, 2, 7, 2**31 - 1, 10**9],
    "BitsAllocated": [0, 1, 7, 8, 12, 32, 64, 65535],
    "BitsStored": [0, 1, 9, 16, 64, 65535],
    "HighBit": [0, 65535],
    "SamplesPerPixel": [0, 2, 3, 4, 65535],
    "PixelRepresentation": [1, 2, 65535],
    "PlanarConfiguration": [0, 1, 9],
    "PhotometricInterpretation": ["RGB", "YBR_FULL_422", "PALETTE COLOR", "MONOCHROME1", "MONOCHROME2", ""],
    "PixelSpacing": [[0, 0], [-1, 1], [1e308, 1e308], [1, 2, 3], None],
    "ImagePositionPatient": [[1e308] * 3, [0, 0], None],
    "ImageOrientationPatient": [[0] * 6, [1, 0, 0, 1, 0, 0], [1, 0, 0], None],
    "RescaleSlope": [0, 1e308, -1e-308, None],
    "RescaleIntercept": [-1e308, None],
    "WindowCenter": [1e308, [1, 2], None],
    "WindowWidth": [0, -1, 1e-308, None],
    "GridFrameOffsetVector": [[0], [0] * 15, [1e30] * 15],
    "FrameTime": [0, -1, 1e308],
    "Modality": ["CT", "RTDOSE", "", None],
    "SeriesInstanceUID": ["", None],
}
TAGS = (0x00280010, 0x7FE00010, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0x00020010, 0x00080005, 0x52009230, 0x00283000)
Draw = np.random.Generator


# -------------------------------------------------------------------------------------------- whole files


@cache
def sources() -> tuple[bytes, ...]:
    made = (
        enhanced_file(truth(), at=positions(6)),
        cine_file(truth() + 50),
        dose_file(truth() + 50, (2.5 * np.arange(6)).tolist()),
        slice_file(truth((1, 8, 8))[0], positions(1)[0]),
    )
    packed = enhanced_file(truth(), at=positions(6))
    packed.compress(RLELossless)
    return (*(shipped(name).read_bytes()[:120_000] for name in SMALL), *(saved(one) for one in (*made, packed)))


@cache
def slices() -> tuple[bytes, ...]:
    return tuple(saved(slice_file(hu, at)) for hu, at in zip(truth((4, 8, 8)), positions(4), strict=True))


@cache
def volumes() -> tuple[bytes, ...]:
    folder, found = Path(sys.argv[4]), []
    for number, dtype in enumerate((np.float32, np.int16, np.uint8)):
        nifti.write(folder / "whole.nii", dicom.Volume((truth() + 50).astype(dtype), (1, 1, 1), np.eye(4), None))
        data = (folder / "whole.nii").read_bytes()
        found += [data, gzip.compress(data, mtime=0)] if number else [data]
    (folder / "whole.nii").unlink()
    return tuple(found)


def saved(dataset: pydicom.Dataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


# -------------------------------------------------------------------------------------------------- damage


def flipped(data: bytes, random: Draw) -> bytes:
    changed = np.frombuffer(data, np.uint8).copy()
    reach = len(changed) if random.random() < 0.5 else min(len(changed), 2500)  # half the time the header alone
    places = random.integers(0, reach, size=random.integers(1, 25))
    changed[places] = random.integers(0, 256, size=len(places))
    return changed.tobytes()


def truncated(data: bytes, random: Draw) -> bytes:
    return data[: random.integers(0, len(data))]


def moved(data: bytes, random: Draw) -> bytes:
    """A stretch is lost, doubled, or replaced by noise."""
    start = int(random.integers(0, len(data)))
    stop = min(len(data), start + int(random.integers(1, 200)))
    middle = (b"", data[start:stop] * 2, random.bytes(stop - start))[int(random.integers(3))]
    return data[:start] + middle + data[stop:]


def spliced(data: bytes, random: Draw) -> bytes:
    other = sources()[int(random.integers(len(sources())))]
    return data[: random.integers(0, len(data))] + other[random.integers(0, len(other)) :]


@cache
def elements(data: bytes) -> list[tuple[int, bool]]:
    """Where the elements' values begin, of all levels, and whether their representation is written out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(data))
    raw = [*dataset.file_meta._dict.values(), *dataset._dict.values()]
    return [(one.value_tell, not one.is_implicit_VR) for one in raw if getattr(one, "value_tell", 0) > 140]


def mislabelled(data: bytes, random: Draw) -> bytes:
    """An element's tag, representation or length is another one."""
    found = elements(data)
    if not found:
        return flipped(data, random)
    changed = bytearray(data)
    for _ in range(int(random.integers(1, 4))):
        place, explicit = found[int(random.integers(len(found)))]
        long = explicit and changed[place - 8 : place - 6] in (b"OB", b"OW", b"SQ", b"UN", b"UT")
        start = place - (12 if long or (explicit and changed[place - 12 : place - 10] == b"\xe0\x7f") else 8)
        what = random.integers(3)
        if what == 0:
            tag = int(TAGS[int(random.integers(len(TAGS)))])
            struct.pack_into("<HH", changed, start, tag >> 16, tag & 0xFFFF)
        elif what == 1 and explicit:
            changed[start + 4 : start + 6] = str(random.choice(list(VR))).encode()[:2]
        elif random.random() < 0.5 or not explicit:
            length = (0, 1, 2**16, 2**31 - 1, 2**32 - 2, 2**32 - 1, 7)[int(random.integers(7))]
            struct.pack_into("<I", changed, place - 4, length)
        else:
            struct.pack_into("<H", changed, place - 2, int(random.integers(2**16)))
    return bytes(changed)


def absurd(data: bytes, random: Draw) -> bytes:
    """A header that is well-formed and claims nonsense."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        for name in random.choice(list(VALUES), size=random.integers(1, 5), replace=False):
            choices = VALUES[str(name)]
            value = choices[int(random.integers(len(choices)))]
            targets = [dataset]
            for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
                targets += [macro[0] for group in dataset.get(groups, []) for macro in (one.value for one in group)]
            holders = [one for one in targets if name in one] or [dataset]
            setattr(holders[int(random.integers(len(holders)))], str(name), value)
        return saved(dataset)
    except Exception:  # pydicom itself refuses to write some of it
        return flipped(data, random)


DAMAGES: tuple[Callable[[bytes, Draw], bytes], ...] = (flipped, truncated, moved, spliced, mislabelled, absurd, absurd)


def damaged(data: bytes, random: Draw) -> bytes:
    for _ in range(1 if random.random() < 0.8 else 2):
        try:
            data = DAMAGES[int(random.integers(len(DAMAGES)))](data, random)
        except Exception:  # a second damage may find nothing to parse
            data = flipped(data or b"\0", random)
    return data


def damaged_nifti(data: bytes, random: Draw) -> bytes:
    zipped = data[:2] == b"\x1f\x8b"
    what = int(random.integers(4))
    if what == 0:
        return (flipped, truncated, moved)[int(random.integers(3))](data, random)
    plain = bytearray(gzip.decompress(data) if zipped else data)
    if what == 1:
        for place in random.integers(0, 348, size=random.integers(1, 9)):
            plain[place] = random.integers(256)
    elif what == 2:  # dimensions, data type, bits, scaling, offset
        form, place = (("<h", 40 + 2 * int(random.integers(8))), ("<h", 70), ("<h", 72), ("<f", 112), ("<f", 108))[
            int(random.integers(5))
        ]
        values = (0, -1, 32767, 2, 4, 2048) if form == "<h" else (0, -1, 1e30, float("nan"), float("inf"), 353)
        struct.pack_into(form, plain, place, values[int(random.integers(6))])
    else:
        plain = bytearray(truncated(bytes(plain), random))
    return gzip.compress(bytes(plain), mtime=0) if zipped else bytes(plain)


# ---------------------------------------------------------------------------------------------- readings


def checked(result: object) -> None:
    """What loaded has to be what was promised."""
    arrays = [value for value in result if isinstance(value, np.ndarray)] if isinstance(result, tuple) else [result]
    assert arrays[0].nbytes <= MAX_BYTES
    if isinstance(result, (dicom.DicomImage, dicom.Volume)):
        assert min(result.spacing_mm) > 0
    if isinstance(result, dicom.DicomImage):
        assert result.pixels.dtype == np.float32
        assert np.isfinite(result.pixels).all()
        for function in (dicom.windows, dicom.edge_letters, lambda header: dicom.display(result.pixels, header)):
            with suppress(dicom.DicomError):
                function(result.dataset)
    elif isinstance(result, dicom.Volume):
        assert result.voxels.ndim == 3
        assert np.isfinite(result.affine).all()
        dicom.reorient(result)


def slice_case(random: Draw, folder: Path) -> list[Callable[[], object]]:
    path = folder / "a.dcm"
    path.write_bytes(damaged(sources()[int(random.integers(len(sources())))], random))
    readers = (dicom.read, dicom.read_colour, dicom.read_multiframe, dicom.read_cine)
    return [lambda reader=reader: reader(path, max_bytes=MAX_BYTES) for reader in readers]


def series_case(random: Draw, folder: Path) -> list[Callable[[], object]]:
    files = list(slices())
    which = int(random.integers(len(files)))
    files[which] = damaged(files[which], random)
    for name, data in zip("dbac", files, strict=True):
        (folder / f"{name}.dcm").write_bytes(data)
    options = {"allow_gaps": bool(random.integers(2)), "allow_tilt": bool(random.integers(2))}
    return [
        lambda: dicom.read_series(folder, max_bytes=MAX_BYTES, **options),
        lambda: dicom.read_series(sorted(folder.iterdir()), max_bytes=MAX_BYTES, **options),
    ]


def nifti_case(random: Draw, folder: Path) -> list[Callable[[], object]]:
    path = folder / "a.nii.gz"
    path.write_bytes(damaged_nifti(volumes()[int(random.integers(len(volumes())))], random))
    return [lambda labels=labels: nifti.read(path, labels=labels, max_bytes=MAX_BYTES) for labels in (False, True)]


CASES = {"slice": slice_case, "series": series_case, "nifti": nifti_case}


def outcome(reading: Callable[[], object]) -> str:
    """`loaded`, `refused` in one line, or what is wrong."""
    try:
        checked(reading())
    except (dicom.DicomError, nifti.NiftiError, FileNotFoundError) as error:
        text = str(error)
        memory = "MemoryError" in text or "Unable to allocate" in text
        return "refused" if text.isprintable() and len(text) < 900 and not memory else f"a poor message: {text!r}"
    except BaseException:
        return traceback.format_exc()
    return "loaded"


def main(kind: str, first: int, count: int, folder: Path) -> None:
    faulthandler.enable()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    sources(), slices(), volumes()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_SPACE,) * 2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(first, first + count):
        print(json.dumps({"begun": number}), flush=True)
        scratch = folder / "case"
        scratch.mkdir()
        readings = CASES[kind](np.random.default_rng([len(kind), number]), scratch)
        faulthandler.dump_traceback_later(SECONDS, exit=True)  # also ends what hangs outside Python
        start = time.perf_counter()
        found = [outcome(reading) for reading in readings]
        seconds = time.perf_counter() - start
        faulthandler.cancel_dump_traceback_later()
        shutil.rmtree(scratch)
        print(json.dumps({"done": number, "found": found, "seconds": round(seconds, 3)}), flush=True)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"grown_mib": (after - before) / 1024}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
