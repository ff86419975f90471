"""The window of compression: the core's study, and the small file, which opens as any run does."""

import pytest
from PySide6.QtCore import Qt

from dinr_studio.experiments.compression.rate_distortion import RateWish, of_run
from dinr_studio.stages import result_of
from dinr_studio.training.run_file import read_run
from dinr_studio.ui.analysis import compression

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def shown(lent_window, open_file, finished_run):
    open_file(lent_window, finished_run)
    lent_window.actions_by_name["analyse-compression"].trigger()
    shown = lent_window.analyses.windows["analyse-compression"]
    shown.compared.setCurrentIndex(1)
    shown.fits.setCurrentIndex(0)
    yield shown
    lent_window.analyses.close()


def test_the_study_of_the_open_run_is_that_of_the_core(shown, qtbot):
    qtbot.mouseClick(shown.run_button, LEFT)
    qtbot.waitUntil(lambda: not shown.running, timeout=60_000)
    assert shown.state.text().startswith("Done in"), shown.state.text()
    study = result_of(of_run(shown.run, shown.studio.fitted_volume, RateWish(codecs=("zfp", "sz3", "sperr"))))
    assert [point.bytes for point in shown._study.points] == [point.bytes for point in study.points]
    assert set(shown.plot.curves) == {"field, best bits", "zfp", "SZ3", "SPERR"}
    assert len(shown.plot.curves["field, best bits"].xData) == len(study.fields)
    assert shown.points.rowCount() == 8
    assert shown.points.item(0, 0).text() == f"{study.points[0].bytes:,}"
    assert shown.verdict.text() == study.verdict()
    assert shown.table()["PSNR (dB)"] == pytest.approx([point.psnr for point in study.points], abs=1e-3)
    assert shown.figure()().axes[0].get_ylabel() == "PSNR (dB)"
    assert "rate-distortion" in shown.command()
    assert "zfp,sz3,sperr" in shown.command()


def test_the_small_file_is_written_and_opens_as_the_run(shown, qtbot, tmp_path, monkeypatch, open_file):
    shown.bits.setCurrentIndex(3)
    said = []

    def agreed(dialog):
        dialog.place.edit.setText(str(shown.studio.run_path))
        assert "open run itself" in dialog.fault()
        dialog.place.edit.setText(str(tmp_path / "small.dinr"))
        assert dialog.fault() == ""
        return True

    monkeypatch.setattr(compression._SmallDialog, "exec", agreed)
    qtbot.mouseClick(shown.small, LEFT)
    qtbot.waitUntil(lambda: "times smaller" in shown.state.text(), timeout=60_000)
    said.append(shown.state.text())
    path = tmp_path / "small.dinr"
    assert f"{path.stat().st_size:,} bytes" in said[0]
    small = read_run(path)
    assert (small.packing.bits, small.run_id) == (8, shown.run.run_id)
    open_file(shown.main, path)
    assert shown.studio.run.packing.bits == 8
    assert shown.studio.field is not None
    assert not shown.main.actions_by_name["resume"].isEnabled()
    shown.main.actions_by_name["show-field"].trigger()


def test_what_was_shown_goes_with_the_volume(shown, qtbot):
    qtbot.mouseClick(shown.run_button, LEFT)
    qtbot.waitUntil(lambda: not shown.running, timeout=60_000)
    shown.studio.close_volume()
    assert shown._study is None
    assert shown.plot.curves == {}
    assert not shown.small.isEnabled()
