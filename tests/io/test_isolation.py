import json

import pytest

from dinr_studio.errors import FileFormatError
from dinr_studio.io import isolation


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{i}.bin" for i in range(4)]
    for path in paths:
        path.write_bytes(b"some bytes")
    return paths


@pytest.fixture
def started(monkeypatch):
    """Names of the files of each process started; one that meets 2.bin is ended there by a signal."""
    seen = []

    def start(arguments, given, longest):
        names = [path.rsplit("/", 1)[-1] for path in json.loads(given)]
        seen.append(names)
        begun = names[: names.index("2.bin") + 1] if "2.bin" in names else names
        return -11 if "2.bin" in names else 0, "\n".join(map(str, range(len(begun))))

    monkeypatch.setattr(isolation, "start", start)
    return seen


def test_files_tried_together_need_no_process_of_their_own_and_one_that_crashes_holds_up_no_other(files, started):
    isolation.try_together(files, "module", "function")
    assert started == [["0.bin", "1.bin", "2.bin", "3.bin"], ["3.bin"]]
    for path in (files[0], files[1], files[3]):
        isolation.check_harmless(path, "module", "function")
    assert len(started) == 2
    with pytest.raises(FileFormatError, match=r"2\.bin is damaged"):
        isolation.check_harmless(files[2], "module", "function")


def test_a_file_that_has_changed_is_tried_again(files, started):
    isolation.try_together(files[:2], "module", "function")
    files[0].write_bytes(b"other bytes")
    isolation.check_harmless(files[0], "module", "function")
    assert started == [["0.bin", "1.bin"], ["0.bin"]]
