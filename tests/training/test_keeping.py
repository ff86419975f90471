"""A fit whose run file is refused goes on, says so once, and loses nothing."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from dinr_studio.errors import OutputError
from dinr_studio.training import fit as fitting
from dinr_studio.training.fit import fit
from dinr_studio.training.run_file import read_run

SENTENCE = r"(disk is full|larger than a file may be)"


@pytest.fixture
def volume(make_smooth_volume):
    return make_smooth_volume((8, 9, 10))


@pytest.fixture
def often(monkeypatch):
    """Every snapshot comes with an autosave."""
    monkeypatch.setattr(fitting, "AUTOSAVE_SECONDS", 0.0)
    monkeypatch.setattr(fitting, "REPORT_SECONDS", 0.0)


@pytest.fixture
def rescue(tmp_path, monkeypatch):
    """The temporary folder, where runs go that are saved nowhere else."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def advanced(snapshots, count=6):
    """The sentences that the next snapshots tell."""
    told = []
    for _ in range(count):
        told += next(snapshots).events
    return told


def test_a_disk_that_is_full_for_a_while_costs_a_fit_nothing(volume, make_config, disk, often):
    path = disk.folder / "a.dinr"
    snapshots = fit(volume, make_config(max_epochs=10_000), path=path)
    assert advanced(snapshots) == []
    before, step = path.read_bytes(), read_run(path).state.step
    with disk.left(4096):
        (told,) = advanced(snapshots)
        assert "The fit goes on and tries again" in told
        assert path.read_bytes() == before
        assert [entry.name for entry in path.parent.iterdir()] == ["a.dinr"]
    (told,) = advanced(snapshots)
    assert "could be written again" in told
    assert read_run(path).state.step > step
    snapshots.close()
    assert [sentence for _, sentence in read_run(path).history.events][-1] == told


def test_a_finished_run_that_its_disk_refuses_is_kept_elsewhere(volume, make_config, disk, rescue, monkeypatch):
    path = disk.folder / "a.dinr"
    snapshots = fit(volume, make_config(max_epochs=2), path=path)
    next(snapshots)
    written = fitting.Keeper._write

    def refused(keeper, run):
        with disk.left(4096):
            written(keeper, run)

    monkeypatch.setattr(fitting.Keeper, "_write", refused)
    phases = []
    with pytest.raises(OutputError, match=rf"{SENTENCE}.*The run is in .*a\.dinr instead") as caught:
        phases.extend(snapshot.phase for snapshot in snapshots)
    assert phases[-1] == "done"
    (kept,) = rescue.rglob("*.dinr")
    assert str(kept) in str(caught.value)
    assert read_run(kept).finished
    assert list(path.parent.iterdir()) == []


def test_a_stopped_fit_that_no_disk_takes_says_what_is_left(volume, make_config, disk, often, rescue):
    path = disk.folder / "a.dinr"
    shutil.rmtree(rescue)
    snapshots = fit(volume, make_config(max_epochs=10_000), path=path)
    advanced(snapshots)
    step = read_run(path).state.step
    with disk.left(4096), pytest.raises(OutputError, match=rf"{SENTENCE}.*as it was at step {step};"):
        snapshots.close()
    assert read_run(path).state.step == step
    snapshots = fit(volume, make_config(max_epochs=10_000), path=disk.folder / "b.dinr")
    next(snapshots)
    with disk.left(4096), pytest.raises(OutputError, match="Nothing of this fit could be saved"):
        snapshots.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["a.dinr"]


def test_a_folder_that_is_gone_at_the_end_costs_the_run_nothing(volume, make_config, tmp_path, rescue):
    (tmp_path / "runs").mkdir()
    snapshots = fit(volume, make_config(max_epochs=10_000), path=tmp_path / "runs" / "a.dinr")
    advanced(snapshots, 3)
    shutil.rmtree(tmp_path / "runs")
    with pytest.raises(OutputError, match=r"does not exist.*The run is in"):
        snapshots.close()
    (kept,) = rescue.rglob("*.dinr")
    resumed = fit(volume, make_config(max_epochs=10_000), path=kept, resume=read_run(kept))
    assert next(resumed).step == read_run(kept).state.step
    resumed.close()


@pytest.mark.parametrize("name", ["none/a.dinr", "file/a.dinr", "folder", "a" * 256])
def test_a_place_where_no_run_can_be_kept_is_told_before_any_work(volume, make_config, tmp_path, name, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(fitting, "prepare", lambda *arguments: pytest.fail("it began"))
    with pytest.raises(OutputError, match=r"(does not exist|not a folder|is a folder|too long)"):
        next(fit(volume, make_config(), path=tmp_path / name))


def test_a_run_file_that_is_a_link_is_written_where_it_leads(volume, make_config, tmp_path, often):
    (tmp_path / "scratch").mkdir()
    link = tmp_path / "a.dinr"
    link.symlink_to(tmp_path / "scratch" / "real.dinr")
    list(fit(volume, make_config(max_epochs=1), path=link))
    assert link.is_symlink()
    assert read_run(Path(tmp_path / "scratch" / "real.dinr")).finished
    with suppress(StopIteration):
        next(fit(volume, make_config(max_epochs=1), path=link, resume=read_run(link)))
