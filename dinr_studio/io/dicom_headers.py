"""What DICOM files say of their images, one record for each frame. Source: DICOM PS3.3, image modules.

Of a patient nothing is read: only what places the voxels and gives the values their meaning, and for the choice between
series their number and description.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import MOST_INFLATION
from dinr_studio.io.isolation import check_harmless
from dinr_studio.io.optional import needed

PREAMBLE, MAGIC = 128, b"DICM"
SUFFIXES = (".dcm", ".dicom", ".ima")
BARE_STARTS = (b"\x02\x00", b"\x08\x00")  # the group of the first element of a file without preamble
DEEPEST, MOST_FILES = 4, 50_000
MOST_BITS = 64
MOST_FRAMES = 100_000  # of one file
DEFLATED = "1.2.840.10008.1.2.1.99"  # the syntax that packs a file as a whole
TRIED_WITH = ("pydicom",)
TAGS = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality", "ImageType",
    "InstanceNumber", "NumberOfFrames", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation",
    "BitsAllocated", "BitsStored", "PixelRepresentation", "PixelPaddingValue", "PixelSpacing", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SpacingBetweenSlices",
    "SliceThickness", "GridFrameOffsetVector", "FrameTime", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "ModalityLUTSequence", "Units", "DoseGridScaling", "TemporalPositionIdentifier", "TemporalResolution",
    "TriggerTime", "FrameReferenceTime", "AcquisitionNumber", "AcquisitionTime", "EchoTime", "DiffusionBValue",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
VALUE_UNITS = {"BQML": "Bq/ml", "GML": "g/ml", "CNTS": "counts", "CPS": "counts/s", "US": "", "HU_MOD": "HU"}
TIMES = ("TemporalPositionIdentifier", "TriggerTime", "FrameReferenceTime", "AcquisitionNumber", "AcquisitionTime")
KINDS = ("ImageType", "EchoTime", "DiffusionBValue")


@dataclass(frozen=True, eq=False)
class Frame:
    """One image: the frame `index` of a file.

    position: of the first pixel's centre, x, y, z; directions: unit vectors along a row and along a column, six
    numbers; both in the patient's LPS space, in mm, None where the file says nothing. spacing: between rows and
    between columns, in mm. bits: stored bits, None where pixels are floating-point numbers. times: what may tell points
    in time apart, by keyword. kinds: what may tell images of one place apart otherwise.
    """

    file: Path
    index: int
    instance: str
    series: str
    number: str
    about: str
    modality: str
    order: int
    shape: tuple[int, int]
    colours: bool
    photometric: str
    bits: int | None
    signed: bool
    padding: float | None
    position: tuple[float, ...] | None
    directions: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    distance: float | None
    frame_time: float | None
    slope: float
    intercept: float
    value_unit: str
    table: bool
    times: Mapping[str, float]
    resolution: float | None
    kinds: Mapping[str, str]
    syntax: str


def is_dicom(path: Path) -> bool:
    """Whether a file is, by its first bytes, a DICOM file; one of a suffix of DICOM may lack the preamble."""
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            start = file.read(PREAMBLE + len(MAGIC))
    except OSError:
        return False
    return start[PREAMBLE:] == MAGIC or path.suffix.lower() in SUFFIXES


def files_below(folder: Path) -> Iterator[Path]:
    """Files in a folder and the folders in it, in order; hidden ones and linked folders left out."""
    count = 0
    for place, folders, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < DEEPEST else []
        for name in sorted(names):
            count += 1
            if count > MOST_FILES:
                raise FileFormatError(f"{folder} holds more than {MOST_FILES:,} files; choose a folder inside it.")
            if not name.startswith(".") and name.upper() != "DICOMDIR":
                yield Path(place, name)


def frames_of(path: Path) -> list[Frame]:
    """The frames of a DICOM file, none where it holds no image; FileFormatError where it is damaged."""
    pydicom = needed("pydicom", "medical", "DICOM")
    logging.getLogger("pydicom").propagate = False  # it may quote the file, and with it the patient
    damage = FileFormatError(
        f"{path.name} is damaged or no DICOM file: its header cannot be read; use an intact copy, or move it away."
    )
    try:  # what the library says may quote the file, and with it the patient
        with open(path, "rb") as file:
            start = file.read(PREAMBLE + len(MAGIC))
        bare = start[PREAMBLE:] != MAGIC
        if bare and start[:2] not in BARE_STARTS:
            raise damage from None
        if not bare or start[:2] == BARE_STARTS[0]:
            _check_unpacked(path, bare=bare)
        header = pydicom.dcmread(path, stop_before_pixels=True, force=bare, specific_tags=list(TAGS))
        if not header.get("Rows") or not header.get("Columns"):
            if "Image Storage" in _class_name(header):
                raise damage from None
            return []
        return _frames(path, header)
    except FileFormatError:
        raise
    except OSError as error:
        if error.strerror is None:  # the library's own
            raise damage from None
        raise FileFormatError(f"{path.name} cannot be read ({error.strerror}); check its permissions.") from None
    except Exception:
        raise damage from None


def _check_unpacked(path: Path, *, bare: bool) -> None:
    """Raises FileFormatError where a file that is deflated as a whole unpacks to more than is read in one piece."""
    from pydicom.filereader import read_file_meta_info

    syntax = DEFLATED if bare else str(read_file_meta_info(path).get("TransferSyntaxUID", ""))
    if syntax == DEFLATED:
        check_harmless(path, __name__, try_header.__name__)


def try_header(path: str) -> None:
    """Unpacks a file that may be deflated, and forgets it; see `check_harmless`."""
    import pydicom

    pydicom.dcmread(path, stop_before_pixels=True, force=True)


def _class_name(header: Any) -> str:
    """The kind of object; a file that does not say counts as a damaged image."""
    from pydicom.uid import UID

    return str(UID(str(header.get("SOPClassUID") or "")).name) or "Image Storage"


def _frames(path: Path, header: Any) -> list[Frame]:
    count = max(1, int(header.get("NumberOfFrames") or 1))
    least = count * int(header.Rows) * int(header.Columns) // 8
    if count > MOST_FRAMES or least > MOST_INFLATION * path.stat().st_size:
        raise ValueError(f"{count} frames")
    groups: Sequence[Any] = header.get("PerFrameFunctionalGroupsSequence") or ()
    if len(groups) == count:
        shared = header.get("SharedFunctionalGroupsSequence") or [None]
        return [_frame(path, i, _Described((group, shared[0]), header)) for i, group in enumerate(groups)]
    described = _Described((), header)
    if count == 1:
        return [_frame(path, 0, described)]
    offsets = described.numbers("GridFrameOffsetVector")
    frame = _frame(path, 0, described)
    return [_moved(frame, i, offsets if len(offsets) == count else ()) for i in range(count)]


def _moved(frame: Frame, index: int, offsets: Sequence[float]) -> Frame:
    """The frame of another index in its file, which says nothing of each frame but, maybe, how far away it lies."""
    position = None
    if offsets and frame.position is not None and frame.directions is not None:
        normal = np.cross(frame.directions[:3], frame.directions[3:])
        position = tuple(float(v) for v in np.asarray(frame.position) + normal * (offsets[index] - offsets[0]))
    return replace(frame, index=index, position=position, instance=f"{frame.instance}/{index}")


class _Described:
    """Attributes of one frame: from its own group, else that of all frames, else the file."""

    def __init__(self, groups: tuple[Any, ...], header: Any) -> None:
        self._sets = [
            item[0]
            for group in groups
            if group is not None
            for item in (element.value for element in group if element.VR == "SQ" and not element.tag.is_private)
            if item
        ]
        self._sets.append(header)

    def get(self, keyword: str) -> Any:
        """The value of an attribute, or None."""
        return next((found for one in self._sets if (found := one.get(keyword)) not in (None, "")), None)

    def number(self, keyword: str) -> float | None:
        """A finite number, or None."""
        found = self.numbers(keyword)
        return found[0] if found else None

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Finite numbers, or none at all."""
        found = self.get(keyword)
        if found is None:
            return ()
        several = isinstance(found, Sequence) and not isinstance(found, (str, bytes))
        values = tuple(float(value) for value in (found if several else (found,)))
        return values if np.isfinite(values).all() else ()


def _frame(path: Path, index: int, at: _Described) -> Frame:
    rows, columns = int(at.get("Rows")), int(at.get("Columns"))
    bits = at.number("BitsStored")
    if bits is not None and not 1 <= bits <= MOST_BITS:
        raise ValueError(f"{bits} bits")
    photometric = str(at.get("PhotometricInterpretation") or "MONOCHROME2")
    position, directions = at.numbers("ImagePositionPatient"), _unit_vectors(at.numbers("ImageOrientationPatient"))
    spacing = next((s for name in SPACINGS if len(s := at.numbers(name)) == 2 and min(s) > 0), None)
    modality = str(at.get("Modality") or "")
    placed = len(position) == 3 and directions is not None and spacing is not None
    return Frame(
        file=path,
        index=index,
        instance=f"{at.get('SOPInstanceUID') or path.name}/{index}",
        series=str(at.get("SeriesInstanceUID") or ""),
        number="" if at.get("SeriesNumber") is None else str(int(at.get("SeriesNumber"))),
        about=_about(modality, str(at.get("SeriesDescription") or "")),
        modality=modality,
        order=int(at.number("InstanceNumber") or 0),
        shape=(rows, columns),
        colours=int(at.number("SamplesPerPixel") or 1) == 3 or photometric == "PALETTE COLOR",
        photometric=photometric,
        bits=None if bits is None else int(bits),
        signed=bool(at.number("PixelRepresentation")),
        padding=at.number("PixelPaddingValue"),
        position=position if placed else None,
        directions=directions if placed else None,
        spacing=None if spacing is None else (spacing[0], spacing[1]),
        distance=next((d for name in DISTANCES if (d := at.number(name)) is not None and d > 0), None),
        frame_time=at.number("FrameTime"),
        slope=at.number("RescaleSlope") or at.number("DoseGridScaling") or 1.0,
        intercept=at.number("RescaleIntercept") or 0.0,
        value_unit=_value_unit(at, modality),
        table=at.get("ModalityLUTSequence") is not None,
        times={name: time for name in TIMES if (time := _time(at, name)) is not None},
        resolution=at.number("TemporalResolution"),
        kinds={name: str(at.get(name)) for name in KINDS},
        syntax=str(getattr(getattr(at._sets[-1], "file_meta", None), "TransferSyntaxUID", "")),
    )


SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
DISTANCES = ("SpacingBetweenSlices", "SliceThickness")


def _unit_vectors(given: tuple[float, ...]) -> tuple[float, ...] | None:
    """Six numbers as two unit vectors, None where they are none that span a plane."""
    vectors = np.reshape(given, (2, 3)) if len(given) == 6 else np.zeros((2, 3))
    lengths = np.linalg.norm(vectors, axis=1)
    if lengths.min() < 0.5 or np.linalg.norm(np.cross(*vectors)) < 0.1:
        return None
    return tuple(float(v) for v in (vectors / lengths[:, None]).reshape(-1))


def _about(modality: str, description: str) -> str:
    """Modality and description in one line of printable letters."""
    return " ".join("".join(c if c.isprintable() else " " for c in f"{modality} {description}").split())[:80]


def _value_unit(at: _Described, modality: str) -> str:
    if at.get("DoseGridScaling") is not None:
        return "Gy"
    named = str(at.get("RescaleType") or at.get("Units") or "").strip()
    if not named and modality == "CT" and at.get("RescaleIntercept") is not None:
        return "HU"
    return VALUE_UNITS.get(named.upper(), named)


def _time(at: _Described, name: str) -> float | None:
    """A time or the number of a point in time; times of day in seconds."""
    if name == "TemporalPositionIdentifier" and (index := at.number("TemporalPositionIndex")) is not None:
        return index
    if name != "AcquisitionTime":
        return at.number(name)
    text = str(at.get(name) or "").replace(":", "")
    if len(text) < 6:
        return None
    return 3600 * int(text[:2]) + 60 * int(text[2:4]) + float(text[4:])
