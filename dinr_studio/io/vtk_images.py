"""VTK image files (.vti, and legacy .vtk of structured points), through VTK.

Arrays of points and of cells can be read; those of cells are named cells/NAME. VTK knows no units, and no patients.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import Content, DatasetEntry, choose_dataset
from dinr_studio.io.geometry import place
from dinr_studio.io.isolation import DAMAGED, check_harmless, limit_memory
from dinr_studio.io.optional import needed
from dinr_studio.io.vtk_header import check_legacy, read_vti_header

TRIED_WITH = ("vtkmodules.vtkIOXML", "vtkmodules.vtkIOLegacy")
CELLS = "cells/"
MOST_EXPANSION = 16  # times a file's length that VTK may need for it, as where each digit of a text is a number
COMPONENT_NAMES = 16  # no more are asked for


def list_vti(path: Path) -> list[DatasetEntry]:
    """The numeric arrays in a .vti file, by its header."""
    header = read_vti_header(path)
    return [
        DatasetEntry(CELLS * array.of_cells + array.name, header.shape(array), array.type) for array in header.arrays
    ]


def read_vti(path: Path, dataset: str | None) -> Content:
    """One array of a .vti file with its place; axes of one point are left out."""
    entry = choose_dataset(path, list_vti(path), dataset)
    check_harmless(path, __name__, try_vti.__name__)
    return _content(path, _vti_image(path, entry.name), entry.name)


def list_vtk(path: Path) -> list[DatasetEntry]:
    """The numeric arrays in a legacy .vtk file."""
    image = _checked_legacy(path)
    return [
        DatasetEntry(name, _shape(image, array, name), str(_numbers(array).dtype))
        for name, array in _arrays(image).items()
    ]


def read_vtk(path: Path, dataset: str | None) -> Content:
    """One array of a legacy .vtk file with its place; axes of one point are left out."""
    entry = choose_dataset(path, list_vtk(path), dataset)
    return _content(path, _legacy_image(path), entry.name)


def try_vti(path: str) -> None:
    """Reads a file as `read_vti` would, and forgets it; see `check_harmless`."""
    header = read_vti_header(Path(path))

    def read() -> None:
        for array in header.arrays:
            _vti_image(Path(path), CELLS * array.of_cells + array.name)

    _try(read, max((header.bytes(array) for array in header.arrays), default=0) + os.path.getsize(path))


def try_vtk(path: str) -> None:
    """Reads a file as `read_vtk` would, and forgets it; see `check_harmless`."""
    _try(lambda: _legacy_image(Path(path)), os.path.getsize(path))


def _try(read: Callable[[], Any], honest: int) -> None:
    """Reads with a few times the memory that is honest; any failure counts as damage.

    Without that limit, a size out of thin air in the midst of a file would be asked of the system, which may grant it.
    """
    needed("vtkmodules.vtkIOXML", "vtk", "VTK")
    limit_memory(MOST_EXPANSION * honest)
    try:
        read()
    except Exception:
        sys.exit(DAMAGED)


def _checked_legacy(path: Path) -> Any:
    check_legacy(path)
    check_harmless(path, __name__, try_vtk.__name__)
    return _legacy_image(path)


def _vti_image(path: Path, name: str) -> Any:
    """The image of a .vti file with one array."""
    reader = needed("vtkmodules.vtkIOXML", "vtk", "VTK").vtkXMLImageDataReader()
    reader.SetFileName(str(path))

    def read() -> None:
        reader.UpdateInformation()
        chosen = (reader.GetPointDataArraySelection(), reader.GetCellDataArraySelection())
        for selection in chosen:
            selection.DisableAllArrays()
        chosen[name.startswith(CELLS)].EnableArray(name.removeprefix(CELLS))
        reader.Update()

    _run(path, read)
    return reader.GetOutput()


def _legacy_image(path: Path) -> Any:
    """The image of a legacy file with all of its arrays."""
    reader = needed("vtkmodules.vtkIOLegacy", "vtk", "VTK").vtkStructuredPointsReader()
    reader.SetFileName(str(path))
    for kind in ("Scalars", "Vectors", "Normals", "Tensors", "ColorScalars", "TCoords", "Fields"):
        getattr(reader, f"ReadAll{kind}On")()
    _run(path, reader.Update)
    return reader.GetOutput()


def _run(path: Path, read: Callable[[], None]) -> None:
    """Runs a reader of VTK, which tells its errors to a window of its own and goes on."""
    core = needed("vtkmodules.vtkCommonCore", "vtk", "VTK")
    core.vtkLogger.SetStderrVerbosity(core.vtkLogger.VERBOSITY_OFF)
    told, usual = core.vtkStringOutputWindow(), core.vtkOutputWindow.GetInstance()
    core.vtkOutputWindow.SetInstance(told)
    try:
        read()
    finally:
        core.vtkOutputWindow.SetInstance(usual)
    text = told.GetOutput()
    if "ERR" in text.upper():
        reason = " ".join(text.split("): ")[-1].split())[:160]
        raise FileFormatError(f"{path.name} cannot be read ({reason}): it is damaged; use an intact copy.")


def _arrays(image: Any) -> dict[str, Any]:
    """The numeric arrays of an image by name, those of cells with a prefix."""
    found = {}
    for prefix, data in (("", image.GetPointData()), (CELLS, image.GetCellData())):
        for i in range(data.GetNumberOfArrays()):
            if (array := data.GetArray(i)) is not None:
                found[prefix + (array.GetName() or f"array {i}")] = array
    return found


def _numbers(array: Any) -> NDArray[Any]:
    """An array's values, (tuples,) or (tuples, components), in the memory that VTK has them in."""
    values: NDArray[Any] = needed("vtkmodules.util.numpy_support", "vtk", "VTK").vtk_to_numpy(array)
    return values


def _lengths(image: Any, name: str) -> list[int]:
    """Number of points, or cells, along x, y and z."""
    return [max(1, n - 1) if name.startswith(CELLS) else n for n in image.GetDimensions()]


def _shape(image: Any, array: Any, name: str) -> tuple[int, ...]:
    components = array.GetNumberOfComponents()
    return tuple(_lengths(image, name)[::-1]) + ((components,) if components > 1 else ())


def _content(path: Path, image: Any, name: str) -> Content:
    """An array as a volume; a cell's value lies at its centre."""
    array = _arrays(image).get(name)
    if array is None:
        raise FileFormatError(f"{path.name} holds no values of {name}; it is damaged: use an intact copy.")
    lengths, matrix = _lengths(image, name), image.GetDirectionMatrix()
    directions = np.array([[matrix.GetElement(i, j) for j in range(3)] for i in range(3)])
    columns = directions * np.array(image.GetSpacing())
    half = [0.5 * (name.startswith(CELLS) and n > 1) for n in image.GetDimensions()]
    origin = np.array(image.GetOrigin()) + columns @ (np.array(image.GetExtent()[::2]) + half)
    kept = [i for i in range(3) if lengths[i] > 1] or [0]
    axes = "".join("xyz"[i] for i in kept)
    placed = place({axis: columns[:, "xyz".index(axis)] for axis in axes}, origin, "")
    components = array.GetNumberOfComponents()
    shape = [lengths[i] for i in reversed(kept)] + ([components] if components > 1 else [])
    names = tuple(str(array.GetComponentName(i) or "") for i in range(min(components, COMPONENT_NAMES)))
    return Content(
        values=_numbers(array).reshape(shape),
        axes=axes[::-1] + ("c" if components > 1 else ""),
        voxel_size=placed.voxel_size,
        origin=placed.origin,
        channel_names=names if all(names) and len(names) == components else (),
        orientation=placed.orientation,
        dataset=name,
        notes=placed.notes,
    )
