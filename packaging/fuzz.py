"""Fuzzes the readers, guided by coverage of our modules and of the libraries in Python. Not part of the test suite.

    pip install atheris                          # in an environment that has dinr-studio[all]
    python packaging/fuzz.py                     # every target for a minute, one after the other
    python packaging/fuzz.py TIFF run --seconds 600 --folder fuzzing

A target is a reader, or `run` for run files, which are sealed anew after each change. It starts from the small files of
tests/hostile/seeds.py and keeps what it learns in the folder, so that the next run goes on from there. An input fails
where opening it ends otherwise than in a volume or a DinrError of one line, or takes more than 2 s of the processor or
200 MB beyond its values. What fails stands in FOLDER/TARGET/findings with its reason, once for each kind, and the
fuzzer goes on. Where a library's crash or endless loop ends the process, it is started again for the time that is left.
Files that are tried in a process of their own (dinr_studio/io/isolation.py) are tried in a fork here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "hostile")]
TARGETS = {  # names of the files that inputs become; a store and a pair of files are made of parts
    "MRC": "a.mrc", "HDF5": "a.h5", "TIFF": "a.tif", "NPY": "a.npy", "NPZ": "a.npz", "image": "a.png",
    "Zarr": "a.zarr", "Zarr zip": "a.zip", "NetCDF": "a.nc", "Imaris": "a.ims", "NeXus": "a.nxs", "DICOM": "a.dcm",
    "NIfTI": "a.nii", "NRRD": "a.nrrd", "NRRD pair": "b.nhdr", "MetaImage": "a.mha", "MetaImage pair": "b.mhd",
    "VTI": "a.vti", "VTK": "a.vtk", "CSV": "a.csv", "Parquet": "a.parquet", "series": "s1.png", "run": "a.dinr",
}  # fmt: skip
APART = ("Zarr zip", "NRRD pair", "MetaImage pair")  # targets of a reader that has another one as well
GUIDING = {  # libraries in Python that guide as well; our own modules always do
    "MRC": ["mrcfile"], "TIFF": ["tifffile"], "NPZ": ["zipfile"], "image": ["PIL"], "series": ["PIL"],
    "Zarr": ["zarr"], "Zarr zip": ["zarr", "zipfile"], "NetCDF": ["h5netcdf"], "DICOM": ["pydicom"],
    "NIfTI": ["nibabel"], "NRRD": ["nrrd"], "NRRD pair": ["nrrd"],
}  # fmt: skip
CUT = b"\n<<>>\n"  # between the metadata and the chunk of a store
LONGEST, HANGING = 1 << 15, 30  # bytes of an input; seconds


def corpus_of(target: str, folder: Path) -> None:
    """Writes the seeds of a target as its first inputs."""
    from seeds import SEEDS, files_in

    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, make) in enumerate(SEEDS.items()):
        reader = name if name in APART else name.split(" ")[0]
        if reader != target or name.endswith("folder"):
            continue
        place = folder.parent / "seeds" / str(number)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        path = make(place)
        if path.is_dir() and target == "Zarr":
            files = files_in(path)
            meta = next(
                file for file in files if file.name in (".zarray", "zarr.json") and b"shape" in file.read_bytes()
            )
            chunk = next(file for file in files if file.name[0] not in "z." and not file.name.startswith("z"))
            (folder / f"seed{number}").write_bytes(meta.read_bytes() + CUT + chunk.read_bytes())
        else:
            first = files_in(path)[0] if path.is_dir() else path
            (folder / f"seed{number}").write_bytes(first.read_bytes())


class Input:
    """Makes an input into files, in a folder that it empties between inputs."""

    def __init__(self, target: str, folder: Path) -> None:
        from seeds import SEEDS, seal

        self.target, self.folder, self._seal = target, folder, seal
        self._beside = {}
        if target in ("NRRD pair", "MetaImage pair", "series"):
            made = SEEDS[target](folder)
            home = made if made.is_dir() else made.parent
            self._beside = {file.name: file.read_bytes() for file in home.iterdir()}

    def made(self, data: bytes) -> Path:
        place = self.folder / "input"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name, content in self._beside.items():
            (place / name).write_bytes(content)
        path = place / TARGETS[self.target]
        if self.target == "Zarr":
            meta, _, chunk = data.partition(CUT)
            three = b'"zarr_format": 3' in meta or b'"zarr_format":3' in meta
            path.mkdir()
            (path / ("zarr.json" if three else ".zarray")).write_bytes(meta)
            first = path / ("c/0/0/0" if three else "0.0.0")
            first.parent.mkdir(parents=True, exist_ok=True)
            first.write_bytes(chunk)
            return path
        path.write_bytes(self._seal(data) if self.target == "run" else data)
        return place if self.target == "series" else path


def kind_of(fault: str) -> str:
    """What makes two findings one: the last lines of a trace without numbers."""
    return hashlib.sha256(re.sub(r"[0-9]+", "", fault[-600:]).encode()).hexdigest()[:12]


def fuzz(target: str, folder: Path, seconds: int) -> None:
    """Fuzzes one target in this process until the time is up; never returns."""
    import atheris

    libraries = tuple(GUIDING.get(target, ()))
    with atheris.instrument_imports(include=["dinr_studio", *libraries]):
        import opener
        from driver import fault_in

        from dinr_studio.io import isolation

        opener.load_all(("dinr_studio.io.reading", *libraries, *(opener.OF_RUNS if target == "run" else ())))
        isolation.start = opener.forked
    corpus, findings, scratch = folder / "corpus", folder / "findings", folder / "scratch"
    for place in (findings, scratch):
        place.mkdir(parents=True, exist_ok=True)
    if not corpus.exists():
        corpus_of(target, corpus)
    maker, what = Input(target, scratch), "run" if target == "run" else "volume"
    counts = json.loads((folder / "counts.json").read_text()) if (folder / "counts.json").exists() else {}

    def one(data: bytes) -> None:
        answer = opener.tried(what, str(maker.made(data)))
        warm = counts.setdefault("inputs", 0) > 20  # libraries are loaded
        for name, step in (("inputs", 1), (answer["end"], 1)):
            counts[name] = counts.get(name, 0) + step
        counts["seconds"] = max(counts.get("seconds", 0), answer["seconds"] if warm else 0)
        counts["beyond"] = max(counts.get("beyond", 0), answer["beyond"] if warm else 0)
        fault = fault_in(answer) if warm or answer["end"] == "fault" else ""
        if fault:
            name = kind_of(fault if answer["end"] == "fault" else fault.split(":")[0])
            (findings / name).write_bytes(data)
            (findings / f"{name}.txt").write_text(fault)
        if counts["inputs"] % 50 == 0:
            (folder / "counts.json").write_text(json.dumps(counts))

    limits = [f"-max_total_time={seconds}", f"-timeout={HANGING}", f"-max_len={LONGEST}", "-rss_limit_mb=3000"]
    atheris.Setup([sys.argv[0], str(corpus), *limits, f"-artifact_prefix={findings}/", "-verbosity=0"], one)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--folder", type=Path, default=Path("fuzzing"), help="where inputs and findings are kept")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    unknown = set(given.targets) - set(TARGETS)
    if unknown:
        parser.error(f"there is no target {sorted(unknown)[0]}; choose of {', '.join(TARGETS)}")
    for target in given.targets or TARGETS:
        home = given.folder.absolute() / target.replace(" ", "_")
        if given.here:
            fuzz(target, home, given.seconds)
        until, starts = time.monotonic() + given.seconds, 0
        while (left := int(until - time.monotonic())) > 0 and starts < 50:
            command = [
                sys.executable,
                __file__,
                target,
                "--here",
                "--seconds",
                str(left),
                "--folder",
                str(given.folder),
            ]
            subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, check=False)
            starts += 1
        report(target, home, starts)


def report(target: str, home: Path, starts: int) -> None:
    """Prints what became of a target's inputs, of this run and those before."""
    counts: dict[str, Any] = json.loads((home / "counts.json").read_text()) if (home / "counts.json").exists() else {}
    found = sorted(file.name for file in (home / "findings").glob("*")) if home.exists() else []
    print(f"{target:14} {counts}, {starts} starts, findings: {', '.join(found) or 'none'}", flush=True)


if __name__ == "__main__":
    main()
