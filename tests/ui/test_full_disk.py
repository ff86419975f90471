"""What the window saves by itself, on a disk that is full: one sentence, the old file untouched, nothing else left."""

import numpy as np
import pytest

from dinr_studio.errors import OutputError
from dinr_studio.ui.dialogs.encoding import Frame, write_gif, write_numbered
from dinr_studio.ui.dialogs.saving import write_file

NOISE = np.random.default_rng(0).integers(0, 255, (6, 64 * 64 * 3), dtype=np.uint8)


def frames():
    return (Frame(64, 64, values.tobytes()) for values in NOISE)


SAVES = {
    "movie.gif": lambda path: write_gif(path, frames(), 20),
    "frames": lambda path: write_numbered(path, frames()),
    "picture.png": lambda path: list(write_file(path, lambda: NOISE.tobytes())),
}


@pytest.mark.parametrize("name", list(SAVES))
def test_a_picture_or_movie_for_which_there_is_no_room(disk, name):
    path = disk.folder / name
    if "." in name:
        path.write_bytes(b"old")
    before = [entry.name for entry in disk.folder.iterdir()]
    for room in (0, 4096, 8192):
        with disk.left(room), pytest.raises(OutputError, match=r"(disk is full: |larger than a file may be)"):
            SAVES[name](path)
        assert [entry.name for entry in disk.folder.iterdir()] == before
        assert not path.exists() or path.read_bytes() == b"old"
    SAVES[name](path)
    assert [entry.name for entry in disk.folder.iterdir()] == [name]
