"""Reading netCDF: netCDF-4 through h5netcdf, classic files (netCDF-3) through scipy, both by xarray; CF conventions.

Links to other files are never followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from dinr_studio.errors import FileFormatError
from dinr_studio.io import cf
from dinr_studio.io.content import Content, DatasetEntry, check_claim, choose_dataset
from dinr_studio.io.hdf5_files import check_inward
from dinr_studio.io.isolation import Trial, check_harmless
from dinr_studio.io.optional import needed
from dinr_studio.io.positions import text_of

HDF5_START, CLASSIC_STARTS, START_64 = b"\x89HDF\r\n\x1a\n", (b"CDF\x01", b"CDF\x02"), b"CDF\x05"
NASA_STARTS = (b"\xcd\xf3\x00\x01", b"\xcd\xf2\x60\x02")
DECODINGS = ("mask_and_scale", "decode_times", "decode_timedelta", "decode_coords", "concat_characters")  # left to `cf`
TRIED_WITH = ("h5netcdf", "xarray")


def list_netcdf(path: Path) -> list[DatasetEntry]:
    """The numeric variables that are no coordinates, bounds, or grid mappings of others."""
    with _opened(path) as groups:
        return [_entry(name, variable) for name, _, variable in _fields(groups)]


def read_netcdf(path: Path, dataset: str | None) -> Content:
    """One variable of a netCDF file with its positions and units."""
    with _opened(path) as groups:
        fields = list(_fields(groups))
        entries = [_entry(name, variable) for name, _, variable in fields]
        wide = [entry for entry in entries if len(entry.shape) > 1]
        entry = choose_dataset(path, (wide if dataset is None else []) or entries, dataset)
        group, variable = next((place, found) for name, place, found in fields if name == entry.name)
        check_claim(path, variable.size * variable.dtype.itemsize, compressed=_is_hdf5(path))
        content = Content(variable.values, "", dataset=entry.name)
        return cf.content_of(
            content, tuple(map(str, variable.dims)), variable.attrs, lambda name: _lookup(groups, group, name)
        )


def try_netcdf(path: str) -> None:
    """Touches all that reading a file would, and forgets it; see `check_harmless`."""
    check_inward(Path(path))
    trial = Trial(path)
    with _groups(Path(path), "h5netcdf") as groups:
        for group in groups.values():
            for variable in group.variables.values():
                try:
                    if trial.allows(2 * variable.size * variable.dtype.itemsize):  # its chunks are no larger
                        variable.load()
                except Exception as error:
                    trial.take(error)


def _is_hdf5(path: Path) -> bool:
    """Whether a file is netCDF-4, which is HDF5; FileFormatError where it is no netCDF that can be read."""
    with open(path, "rb") as file:
        start = file.read(8)
    if start == HDF5_START:
        return True
    if start[:4] in CLASSIC_STARTS:
        return False
    if start[:4] == START_64:
        raise FileFormatError(f"{path.name} is netCDF in the CDF-5 format, which is not read; convert it to netCDF-4.")
    if start[:4] in NASA_STARTS:
        raise FileFormatError(f"{path.name} is a CDF file of space physics, which is not read; convert it to netCDF.")
    raise FileFormatError(f"{path.name} does not begin as netCDF does: it is damaged or not what its name says.")


@contextmanager
def _opened(path: Path) -> Iterator[dict[str, Any]]:
    """The groups of a file, by their paths; of a file that reaches to no other, and crashes no library."""
    engine = "scipy"
    if _is_hdf5(path):
        engine = "h5netcdf"
        needed("h5netcdf", "netcdf", "NetCDF-4")
        check_harmless(path, __name__, try_netcdf.__name__)
        check_inward(path)
    with _groups(path, engine) as groups:
        yield groups


@contextmanager
def _groups(path: Path, engine: str) -> Iterator[dict[str, Any]]:
    xarray = needed("xarray", "netcdf", "NetCDF")
    options: dict[str, Any] = {**dict.fromkeys(DECODINGS, False), "cache": False, "engine": engine}
    if engine == "scipy":
        groups = {"/": xarray.open_dataset(path, **options)}
    else:
        groups = xarray.open_groups(path, phony_dims="access", **options)
    try:
        yield groups
    finally:
        for group in groups.values():
            group.close()


def _fields(groups: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(name, path of its group, variable) of what could be a volume."""
    served = {str(name) for group in groups.values() for name in group.dims}
    for group in groups.values():
        for variable in group.variables.values():
            served |= cf.named_by(variable.attrs)
    for path, group in groups.items():
        for name, variable in group.variables.items():
            is_number = variable.dtype.kind in "biufc"
            if is_number and variable.ndim > 0 and variable.size > 1 and name not in served:
                yield f"{path.strip('/')}/{name}".strip("/"), path, variable


def _entry(name: str, variable: Any) -> DatasetEntry:
    about = text_of(variable.attrs.get("long_name", variable.attrs.get("standard_name", "")))
    unit = text_of(variable.attrs.get("units", ""))
    return DatasetEntry(name, tuple(variable.shape), variable.dtype.name, f"{about} {unit and f'[{unit}]'}".strip())


def _lookup(groups: dict[str, Any], place: str, name: str) -> cf.Variable | None:
    """A variable by its name in the group at a path, or in one above."""
    above = [place, *(parent.as_posix() for parent in PurePosixPath(place).parents)]
    holder = next((path for path in above if path in groups and name in groups[path].variables), None)
    if not name or holder is None:
        return None
    variable = groups[holder].variables[name]
    return cf.Variable(tuple(map(str, variable.dims)), tuple(variable.shape), variable.attrs, lambda: variable.values)
