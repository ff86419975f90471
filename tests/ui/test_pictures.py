"""Pictures, plots and movies: as large as asked for, drawn anew and not blown up, and either whole files or none."""

import re
import zlib
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QSize, QSizeF
from PySide6.QtGui import QGuiApplication

from dinr_studio.ui.dialogs import movie
from dinr_studio.ui.dialogs.figure import figure, grabbed, parts
from dinr_studio.ui.dialogs.movie import MovieDialog, MovieJob, Plan, turned_picture
from dinr_studio.ui.dialogs.paper import PAPER
from dinr_studio.ui.dialogs.pictures import ON_WHITE, PictureDialog
from dinr_studio.ui.dialogs.plain_svg import plain_svg
from dinr_studio.ui.dialogs.plots import ALL, as_image, as_pdf, as_svg, content_of, plots_of

SVG = "{http://www.w3.org/2000/svg}"
SIZE = QSizeF(120, 70)  # millimetres


@pytest.fixture
def window(lent_window):
    """One window for all tests."""
    yield lent_window
    lent_window.slices.show_alone(None)


@pytest.fixture
def shown(opened, qtbot):
    """The window with the small map open, once the 3D view has drawn it."""
    scene = opened.volume_view.scene
    qtbot.waitUntil(lambda: scene._halves[0].volume is not None, timeout=60_000)
    with qtbot.waitSignal(scene.drawn, timeout=60_000):
        scene.canvas.update()
    return opened


@pytest.fixture
def plotted(opened):
    """The window with curves in the plots of its losses: one dotted, one that leaves the plot."""
    steps = np.arange(1, 200.0)
    opened.monitor.setCurrentWidget(opened.monitor.loss)
    plot = opened.monitor.loss.plot
    plot.curve("data loss", steps, 10 ** (-steps / 80), "blue", dots=True)
    plot.curve("total", steps, 3 * 10 ** (-steps / 80), "orange", dashed=True)
    plot.getPlotItem().getViewBox().setRange(xRange=(50, 120), yRange=(-1.5, -0.7))
    opened.monitor.loss.rate.curve("learning rate", steps, 1e-3 / steps, "green")
    return opened


def part_named(window, name):
    """One of the pictures that are shown."""
    return next(part for part in parts(window.slices) if part.name == name)


def fine_detail(brightness):
    """The power of what changes from pixel to pixel."""
    return np.mean(np.diff(brightness, 2, axis=0)[:, 1:-1] ** 2 + np.diff(brightness, 2, axis=1)[1:-1] ** 2)


def enlarged(brightness, shape):
    """A picture blown up smoothly."""
    return np.asarray(Image.fromarray(brightness.astype(np.float32)).resize(shape[::-1], Image.Resampling.BICUBIC))


def finish(window, qtbot):
    """Waits for all jobs of a window."""
    qtbot.waitUntil(lambda: not window.jobs.running, timeout=120_000)


def leftovers(folder):
    """All that a folder holds, hidden files too, but the profile."""
    return sorted({path.name for path in folder.iterdir()} - {"profile"})


# Pictures


def test_a_picture_is_as_many_pixels_as_its_scale_says(shown):
    ratio = shown.slices.devicePixelRatioF()
    one, two = grabbed(shown.slices, 1), grabbed(shown.slices, 2)
    assert one.width() == pytest.approx(ratio * shown.slices.width(), abs=2 * ratio)
    assert (two.width(), two.height()) == (2 * one.width(), 2 * one.height())


@pytest.mark.parametrize("name", ["XY", "3D"])
def test_twice_the_scale_is_drawn_anew_and_not_blown_up(shown, pixels, name):
    part = part_named(shown, name)
    one, two = (pixels(figure([part], scale, PAPER)) for scale in (1, 2))
    assert fine_detail(two) > 1.5 * fine_detail(enlarged(one, two.shape))


@pytest.mark.parametrize("name", ["XY", "YZ", "3D"])
def test_twice_the_scale_shows_the_same_picture(shown, pixels, name):
    part = part_named(shown, name)
    one, two = (pixels(figure([part], scale, PAPER)) for scale in (1, 2))
    halved = two.reshape(one.shape[0], 2, one.shape[1], 2).mean(axis=(1, 3))
    assert np.corrcoef(one.ravel(), halved.ravel())[0, 1] > 0.9


def test_a_picture_on_white_leaves_the_window_in_its_own_colours(shown, pixels):
    pane = shown.slices.panes[0]
    before = pixels(pane.view)
    white = pixels(figure([part_named(shown, "XY")], 2, PAPER))
    assert white[0, -1] == 255
    assert np.array_equal(pixels(pane.view), before)


def test_a_pane_shown_alone_is_the_whole_picture(shown, qtbot):
    shown.slices.show_alone(shown.slices.panes[1])
    qtbot.wait(50)
    assert [part.name for part in parts(shown.slices)] == [shown.slices.panes[1].title.text()]
    assert grabbed(shown.slices, 1).width() >= 0.9 * shown.slices.width()


def test_copy_puts_the_picture_on_the_clipboard(shown):
    expected = grabbed(shown.slices, 1).size()
    shown.actions_by_name["copy"].trigger()
    assert QGuiApplication.clipboard().image().size() == expected


def test_save_picture_writes_the_file_that_was_asked_for(shown, qtbot, in_dialog, tmp_path):
    def answer(dialog):
        dialog.what.setCurrentText("3D")
        dialog.scale.setCurrentIndex(2)
        dialog.colours.setCurrentText(ON_WHITE)
        dialog.place.edit.setText(str(tmp_path / "three.png"))
        dialog.accept()

    in_dialog(answer)
    expected = figure([part_named(shown, "3D")], 3 * shown.devicePixelRatioF(), PAPER).size()
    shown.actions_by_name["picture"].trigger()
    finish(shown, qtbot)
    with Image.open(tmp_path / "three.png") as image:
        assert image.size == (expected.width(), expected.height())
    assert "three.png" in shown.job_notice.sentence.text()
    assert shown.settings.value("export folder") == str(tmp_path)


def test_a_larger_picture_of_a_field_waits_for_the_field_at_its_resolution(fitted, qtbot, tmp_path):
    pane = fitted.slices.panes[0]
    fitted.slices.set_mode("Field")
    qtbot.waitUntil(
        lambda: pane.tiles.open_tiles == 0 and any(pane.tiles.shown(pane.content.field_plane())), timeout=60_000
    )
    before = pane.tiles.level
    dialog = PictureDialog(fitted.slices, tmp_path, fitted)
    dialog.scale.setCurrentIndex(3)
    fitted.jobs.start(dialog.job())
    finish(fitted, qtbot)
    assert max(shown.tile.level for shown in pane.tiles.shown(pane.content.field_plane())) == before + 2
    assert list(tmp_path.glob("*.png"))
    assert pane.tiles.level <= before  # the view's own again, which the notice has made smaller perhaps


def test_a_picture_that_is_cancelled_leaves_no_file(shown, qtbot, tmp_path):
    job = PictureDialog(shown.slices, tmp_path, shown).job()
    shown.jobs.start(job)
    job.cancel()
    finish(shown, qtbot)
    assert leftovers(tmp_path) == []
    assert "cancelled" in shown.job_notice.sentence.text()


def test_the_dialog_says_why_a_picture_cannot_be_written(shown, tmp_path):
    dialog = PictureDialog(shown.slices, tmp_path, shown)
    dialog.place.edit.setText(str(tmp_path / "missing" / "picture.png"))
    assert "does not exist" in dialog.wrong.text()
    dialog.accept()
    assert not dialog.result()


# Plots


def svg_texts(content):
    """What is written in an SVG file."""
    return {"".join(element.itertext()).strip() for element in ElementTree.fromstring(content).iter(f"{SVG}text")}


def pdf_texts(content):
    """What is written in a PDF file of Qt, read with the table of each of its fonts in turn."""
    found = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    streams = [zlib.decompress(raw) if raw[:1] == b"x" else raw for raw in found]
    runs = [run for stream in streams for run in re.findall(rb"<(\w+)>\s*Tj", stream)]
    glyphs = [int(run[i : i + 4], 16) for run in runs for i in range(0, len(run), 4)]
    tables = [letters_of(stream) for stream in streams if b"begincmap" in stream]
    return ["".join(letters.get(glyph, "") for glyph in glyphs) for letters in tables]


def letters_of(table):
    """The letter of each glyph, by a font's table."""
    letters = {}
    for first, _, names in re.findall(rb"<(\w+)>\s*<(\w+)>\s*\[([^\]]*)\]", table):
        for i, name in enumerate(re.findall(rb"<(\w+)>", names)):
            letters[int(first, 16) + i] = bytes.fromhex(name.decode()).decode("utf-16-be")
    return letters


def test_an_svg_holds_the_labels_as_text_and_the_curves_as_lines(plotted):
    content = as_svg([plotted.monitor.loss.plot], SIZE)
    assert {"optimiser step", "loss", "data loss", "total"} <= svg_texts(content)
    root = ElementTree.fromstring(content)
    assert not list(root.iter(f"{SVG}image"))
    strokes = {group.get("stroke") for group in root.iter(f"{SVG}g") if group.find(f"{SVG}path") is not None}
    assert {"#3d84d8", "#e08214"} <= strokes
    assert root.get("width").endswith("mm")
    assert float(root.get("width")[:-2]) == pytest.approx(SIZE.width(), abs=0.3)


def test_curves_in_an_svg_are_clipped_to_the_plot_and_axes_are_not(plotted):
    root = ElementTree.fromstring(as_svg([plotted.monitor.loss.plot], SIZE))
    for group in root.iter(f"{SVG}g"):
        curve = group.get("stroke") in ("#3d84d8", "#e08214") and group.find(f"{SVG}path") is not None
        if curve:
            assert group.get("clip-path") == "url(#plot1)"
        elif group.get("stroke") == "#000000":
            assert group.get("clip-path") is None
    (clip,) = root.iter(f"{SVG}clipPath")
    left, top, width, height = (float(clip[0].get(name)) for name in ("x", "y", "width", "height"))
    _, _, page_width, page_height = (float(number) for number in root.get("viewBox").split())
    assert 20 < left < left + width <= page_width
    assert 0 <= top < top + height < page_height - 20


def test_lines_of_an_svg_do_not_depend_on_a_program_that_knows_unscaled_strokes(plotted):
    content = as_svg(plots_of(plotted.monitor.loss), SIZE)
    assert b"non-scaling-stroke" not in content
    for group in ElementTree.fromstring(content).iter(f"{SVG}g"):
        assert group.get("transform") is None


def test_plain_svg_works_a_matrix_into_the_points():
    drawn = (
        f'<svg xmlns="{SVG[1:-1]}"><defs/><g stroke="red" transform="matrix(2,0,0,-3,10,20)">'
        '<polyline vector-effect="non-scaling-stroke" points="1,1 2,4"/>'
        '<rect vector-effect="non-scaling-stroke" x="0" y="0" width="1" height="2"/><text x="1">a</text></g></svg>'
    )
    root = ElementTree.fromstring(plain_svg([(drawn.encode(), (0, 0, 50, 50))]))
    group = root.find(f"{SVG}g")
    assert group[0].get("points") == "12.000,17.000 14.000,8.000"
    assert group[1].get("d").startswith("M10.000,20.000 L12.000,20.000 L12.000,14.000")
    assert group[2].get("transform") == "matrix(2,0,0,-3,10,20)"


def test_a_pdf_has_the_size_asked_for_and_holds_the_labels_as_text(plotted):
    content = as_pdf(plots_of(plotted.monitor.loss), SIZE)
    assert content.startswith(b"%PDF")
    written = pdf_texts(content)
    for label in ("optimiserstep", "dataloss", "learningrate"):
        assert any(label in re.sub(r"\s", "", text) for text in written)
    assert b"/Subtype /Image" not in content
    box = [float(number) for number in re.search(rb"/MediaBox \[([^\]]*)\]", content)[1].split()]
    assert box[2:] == pytest.approx([SIZE.width() / 25.4 * 72, SIZE.height() / 25.4 * 72], abs=1)


def test_a_printed_plot_is_black_on_white_whatever_the_theme(plotted, pixels):
    for theme in ("dark", "light"):
        plotted.set_theme(theme)
        image = as_image([plotted.monitor.loss.plot], SIZE)
        brightness = pixels(image)
        assert brightness[0, 0] == 255
        assert np.median(brightness) > 200
        assert brightness.min() < 30
        assert image.dotsPerMeterX() == pytest.approx(300 / 0.0254, abs=1)


def test_saving_a_plot_leaves_the_plot_as_it_was(plotted, pixels, qtbot):
    plot = plotted.monitor.loss.plot
    qtbot.wait(50)
    before, size = pixels(plot), plot.size()
    for suffix in (".svg", ".pdf", ".png"):
        content_of(suffix, plots_of(plotted.monitor.loss), SIZE)()
    assert plot.size() == size
    assert np.abs(pixels(plot) - before).mean() < 0.5


def test_save_plot_offers_the_plots_of_the_tab_from_left_to_right(plotted, qtbot, in_dialog, tmp_path):
    offered = []

    def answer(dialog):
        offered.extend(dialog.which.itemText(i) for i in range(dialog.which.count()))
        dialog.place.edit.setText(str(tmp_path / "rate.pdf"))
        dialog.accept()

    in_dialog(answer)
    plotted.actions_by_name["plot"].trigger()
    finish(plotted, qtbot)
    assert offered == [ALL, "Losses", "Learning rate"]
    assert (tmp_path / "rate.pdf").read_bytes().startswith(b"%PDF")
    assert "rate.pdf" in plotted.job_notice.sentence.text()


@pytest.mark.parametrize("tab", ["runs", "log"])
def test_a_tab_without_plots_says_so(opened, tab):
    opened.monitor.setCurrentWidget(getattr(opened.monitor, tab))
    opened.actions_by_name["plot"].trigger()
    assert "holds no plot" in opened.notice.sentence.text()


# Movies


def test_a_movie_has_the_frames_and_the_pace_asked_for_and_the_camera_is_back(shown, qtbot, in_dialog, tmp_path):
    def answer(dialog):
        dialog.frames.setValue(5)
        dialog.seconds.setValue(0.5)
        dialog.width_px.setValue(96)
        dialog.height_px.setValue(64)
        dialog.place.edit.setText(str(tmp_path / "turn.gif"))
        dialog.accept()

    in_dialog(answer)
    scene = shown.volume_view.scene
    camera = scene.camera.get_state()
    shown.actions_by_name["movie"].trigger()
    finish(shown, qtbot)
    with Image.open(tmp_path / "turn.gif") as turn:
        assert (turn.n_frames, turn.size) == (5, (96, 64))
        assert (turn.info["duration"], turn.info["loop"]) == (100, 0)
    assert scene.camera.get_state() == camera


def test_numbered_frames_turn_once_around(shown, qtbot, tmp_path):
    shown.jobs.start(MovieJob(shown.volume_view, Plan(tmp_path / "turn", 4, 80, 60, 1.0)))
    finish(shown, qtbot)
    assert leftovers(tmp_path / "turn") == [f"frame_{i:04d}.png" for i in range(1, 5)]
    frames = [np.asarray(Image.open(path), dtype=float) for path in sorted((tmp_path / "turn").iterdir())]
    assert {frame.shape for frame in frames} == {(60, 80, 3)}
    assert all(np.abs(one - other).mean() > 1 for one, other in pairwise(frames))


@pytest.mark.parametrize("camera", ["Turntable", "Arcball"])
def test_a_whole_turn_ends_where_it_began(shown, pixels, camera):
    view = shown.volume_view
    view.scene.set_camera(camera)
    state = view.scene.camera.get_state()
    first, half, last = (pixels(turned_picture(view, state, angle, QSize(160, 120))) for angle in (0, 180, 360))
    assert np.abs(first - last).mean() < 0.5
    assert np.abs(first - half).mean() > 1
    assert str(view.scene.camera.get_state()) == str(state)


@pytest.mark.parametrize("camera", ["Turntable", "Arcball"])
def test_a_movie_turns_about_the_vertical_axis(shown, monkeypatch, camera):
    view = shown.volume_view
    view.scene.set_camera(camera)
    axis, corner, seen = np.array([[0, 0, -0.5], [0, 0, 0.5]]), np.array([[0.5, 0.5, 0.5]]), []
    monkeypatch.setattr(
        movie, "volume_picture", lambda *_: seen.append([view.scene.projected(0, p) for p in (axis, corner)])
    )
    for angle in (0, 70, 200):
        turned_picture(view, view.scene.camera.get_state(), angle, QSize(160, 120))
    for poles, far in seen[1:]:
        assert poles == pytest.approx(seen[0][0], abs=0.5)
        assert np.hypot(*(far - seen[0][1])[0]) > 5


def test_axes_stay_on_the_box_in_a_large_movie(shown, pixels):
    view = shown.volume_view
    state = view.scene.camera.get_state()
    small, large = (pixels(turned_picture(view, state, 0, size)) for size in (QSize(480, 480), QSize(960, 960)))
    halved = large.reshape(480, 2, 480, 2).mean(axis=(1, 3))
    assert np.corrcoef(small.ravel(), halved.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("name", ["turn.gif", "turn"])
def test_a_movie_that_is_cancelled_leaves_nothing_and_the_camera_is_back(shown, qtbot, tmp_path, name):
    camera = shown.volume_view.scene.camera.get_state()
    job = MovieJob(shown.volume_view, Plan(tmp_path / name, 1400, 96, 64, 60.0))
    shown.jobs.start(job)
    qtbot.waitUntil(lambda: "frame " in shown.job_notice.sentence.text(), timeout=60_000)
    shown.job_notice.button.click()
    finish(shown, qtbot)
    assert leftovers(tmp_path) == []
    assert shown.volume_view.scene.camera.get_state() == camera
    assert "cancelled" in shown.job_notice.sentence.text()


def test_a_movie_ends_when_the_volume_is_closed(shown, qtbot, tmp_path):
    shown.jobs.start(MovieJob(shown.volume_view, Plan(tmp_path / "turn.gif", 1400, 96, 64, 60.0)))
    qtbot.waitUntil(lambda: "frame " in shown.job_notice.sentence.text(), timeout=60_000)
    shown.studio.close_volume()
    finish(shown, qtbot)
    assert leftovers(tmp_path) == []


def test_a_movie_that_cannot_be_written_says_so(shown, qtbot, tmp_path):
    path = tmp_path / "missing" / "turn.gif"
    shown.jobs.start(MovieJob(shown.volume_view, Plan(path, 3, 96, 64, 1.0)))
    finish(shown, qtbot)
    assert "does not exist" in shown.job_notice.sentence.text()


def test_the_movie_dialog_refuses_what_a_gif_cannot_show(shown, tmp_path):
    dialog = MovieDialog(shown.volume_view, tmp_path, shown)
    assert dialog.wrong.text() == ""
    dialog.seconds.setValue(0.5)
    assert "50 frames a second" in dialog.wrong.text()
    dialog.format.setCurrentIndex(1)
    assert dialog.wrong.text() == ""
    assert dialog.plan.path.suffix == ""
    dialog.place.edit.setText(str(tmp_path / "turn.avi"))
    assert "names no format" in dialog.wrong.text()


def test_a_movie_that_memory_or_disk_cannot_hold_is_refused_with_one_that_they_can(tmp_path, monkeypatch):
    gif = Plan(tmp_path / "turn.gif", 1440, 3840, 2160, 60.0)
    monkeypatch.setattr(movie, "available_bytes", lambda: 10**9)
    monkeypatch.setattr(movie, "free_bytes", lambda path: 10**12)
    assert "The movie takes about 12.1 GB of memory" in movie.needs_of(gif).fault
    assert "PNGs take 132.7 MB of memory" in movie.needs_of(gif).fault
    pngs = Plan(tmp_path / "turn", 1440, 3840, 2160, 60.0)
    assert movie.needs_of(pngs).fits
    monkeypatch.setattr(movie, "free_bytes", lambda path: 10**9)
    assert "47.8 GB on the disk, which has 1.0 GB free" in movie.needs_of(pngs).fault
