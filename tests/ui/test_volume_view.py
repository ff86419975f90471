"""The 3D view: every way of drawing shows something, and every option changes it as it says. Needs X (Xvfb)."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from dinr_studio.ui.views.volume_look import METHODS

KEY, LEFT, RIGHT = Qt.Key, Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
BRIGHT = 60  # brightness above the background's


@pytest.fixture
def window(lent_window):
    """One window for all tests."""
    return lent_window


def ready(qtbot, window, *names):
    """The 3D view without box and crosshair, once the blocks of these names are there; as it is at first otherwise."""
    view = window.volume_view
    view.method.setCurrentText("MIP")
    view.options._on_reset()
    view.options.camera.setCurrentText("Turntable")
    for check in (view.options.box, view.options.axes, view.options.crosshair):
        check.setChecked(False)
    qtbot.waitUntil(lambda: all(name in view._blocks for name in names) and not view.source.open_slabs, timeout=30_000)
    return view


@pytest.fixture
def view(opened, qtbot):
    """The 3D view of the small map's data."""
    return ready(qtbot, opened, "Data")


@pytest.fixture
def drawn(pixels):
    """What the canvas shows, drawn finely: brightness (rows, columns)."""
    return lambda view: pixels(view.picture(240, 200))


def test_the_canvas_on_the_screen_shows_the_volume(view, qtbot):
    def seen():
        image = view.scene.canvas.render(size=view.scene.canvas.size, alpha=False)
        return image.astype(float).mean(axis=-1)

    qtbot.waitUntil(lambda: seen().std() > 5)
    assert view.holder.isVisible()
    assert view.scene.widget.isVisible()
    assert not view.fault.isVisible()


def test_every_method_draws_something_of_its_own(view, drawn, qtbot):
    pictures = {}
    for method in METHODS:
        view.method.setCurrentText(method)
        assert view.level_row.isVisible() == (method == "Isosurface")
        pictures[method] = drawn(view)
        assert pictures[method].std() > 1, method
    names = list(pictures)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert np.abs(pictures[one] - pictures[other]).mean() > 0.2, (one, other)


def test_both_shows_data_and_field_side_by_side_under_one_camera(fitted, qtbot, drawn):
    fitted.volume_view.shown.setCurrentText("Both")
    view = ready(qtbot, fitted, "Data", "Field")
    assert view.overlay.names == ("Data", "Field")
    picture = drawn(view)
    half = picture.shape[1] // 2
    left, right = picture[:, :half], picture[:, half:]
    assert left.std() > 3
    assert right.std() > 3
    assert np.abs(left - right).mean() < 25  # the field has learnt the data
    assert np.abs(left - right).max() > 0
    view.holder.setFocus()
    qtbot.keyClick(view.holder, KEY.Key_Right)
    cameras = [half.view.camera.azimuth for half in view.scene._halves]
    assert cameras[0] == cameras[1] == 40
    view.shown.setCurrentText("Data")
    assert drawn(view)[:, :half].std() != left.std()


def test_the_blocks_are_the_data_and_the_field(fitted, qtbot):
    fitted.volume_view.shown.setCurrentText("Both")
    view = ready(qtbot, fitted, "Data", "Field")
    np.testing.assert_array_equal(view._blocks["Data"].values, fitted.studio.volume.values[..., 0])
    assert view._blocks["Data"].grid == view._blocks["Field"].grid == fitted.studio.volume.grid
    error = view._blocks["Field"].values - view._blocks["Data"].values
    assert error.std() < 0.5 * fitted.studio.volume.values.std()


def test_the_isosurface_has_a_level_in_the_datas_unit_and_in_sigma(view, type_in, drawn, qtbot):
    values = view.studio.volume.values.astype(np.float64)
    mean, sigma = values.mean(), values.std()
    view.method.setCurrentText("Isosurface")
    type_in(view.level_row.value, "0.5")
    assert view.level == 0.5
    assert float(view.level_row.sigma.text()) == pytest.approx((0.5 - mean) / sigma, rel=2e-3)
    large = (drawn(view) > BRIGHT).sum()
    type_in(view.level_row.sigma, "3.5")
    assert view.level == pytest.approx(mean + 3.5 * sigma, rel=1e-3)
    assert float(view.level_row.value.text()) == pytest.approx(view.level, rel=1e-3)
    small = (drawn(view) > BRIGHT).sum()
    assert 0 < small < 0.8 * large
    qtbot.keyClick(view.level_row.slider, KEY.Key_End)
    assert view.level == pytest.approx(values.max(), rel=1e-6)
    qtbot.keyClick(view.level_row.slider, KEY.Key_Home)
    assert view.level == pytest.approx(values.min(), rel=1e-6)
    view.level_row.sigma.setFocus()
    view.level_row.value.setFocus()  # passing through an edit leaves the level alone, though its text is rounded
    assert view.level == pytest.approx(values.min(), rel=1e-6)
    type_in(view.level_row.value, "deep")
    assert view.level == pytest.approx(values.min(), rel=1e-6)
    assert float(view.level_row.value.text()) == pytest.approx(values.min(), rel=1e-3)


def test_the_transfer_function_is_edited_with_the_mouse(view, qtbot, mouse, drawn):
    qtbot.mouseClick(view.more, LEFT)
    editor = view.options.transfer
    assert editor.isVisible()
    first = editor.function
    assert len(first.points) == 3
    area = editor._area()
    place = QPointF(area.left() + 0.6 * area.width(), area.top() + 0.9 * area.height())
    qtbot.mouseDClick(editor, LEFT, pos=place.toPoint())
    assert len(editor.function.points) == 4
    assert editor.function.points[2] == (pytest.approx(0.6, abs=0.02), pytest.approx(0.1, abs=0.02))
    goal = QPointF(area.left() + 0.4 * area.width(), area.top() + 0.5 * area.height())
    mouse.drag(editor, editor.place_of(2), goal)
    assert editor.function.points[2] == (pytest.approx(0.4, abs=0.02), pytest.approx(0.5, abs=0.02))
    qtbot.keyClick(editor, KEY.Key_Up)
    assert editor.function.points[2][1] == pytest.approx(0.52, abs=0.02)
    qtbot.mouseClick(editor, RIGHT, pos=editor.place_of(2).toPoint())
    assert editor.function == first
    view.method.setCurrentText("Translucent")
    before = drawn(view)
    for point in (2, 0):  # nothing is opaque any more
        mouse.drag(editor, editor.place_of(point), QPointF(editor.place_of(point).x(), area.bottom()))
    assert all(opacity == 0 for _, opacity in editor.function.points)
    after = drawn(view)
    assert before.std() > 3
    assert after.std() < 0.5
    view.set_transfer(first)
    assert np.abs(drawn(view) - before).mean() < 1
    view.options.hide()


def test_the_clip_box_cuts_away_what_lies_beyond(view, drawn, qtbot):
    whole = (drawn(view) > BRIGHT).sum()
    first, last = view.options.ends[2]
    last.setValue(last.maximum() // 4)
    quarter = (drawn(view) > BRIGHT).sum()
    assert quarter < 0.6 * whole
    assert view.scene._clipped(view._blocks["Data"])[0].shape == (20, 18, 4)
    qtbot.mouseClick(view.options.reset, LEFT)
    assert (first.value(), last.value()) == (0, last.maximum())
    assert (drawn(view) > BRIGHT).sum() == whole


def test_the_slicing_plane_goes_with_the_crosshair(view, drawn):
    view.method.setCurrentText("Slicing plane")
    view.studio.move_crosshair({0: 10})
    middle = drawn(view)
    view.studio.move_crosshair({0: 1})
    below = drawn(view)
    assert middle.max() > below.max() + 20  # the blob is bright in its middle
    view.options.axis.setCurrentText("x")
    assert np.abs(drawn(view) - below).mean() > 1
    view.options.axis.setCurrentText("z")


def test_keys_turn_zoom_and_reset_the_camera(view, drawn, qtbot):
    view.holder.setFocus()
    camera, at_first = view.scene.camera, drawn(view)
    before = (camera.azimuth, camera.elevation, camera.scale_factor)
    qtbot.keyClick(view.holder, KEY.Key_Right)
    qtbot.keyClick(view.holder, KEY.Key_Down)
    qtbot.keyClick(view.holder, KEY.Key_Plus)
    assert camera.azimuth == before[0] + 5
    assert camera.elevation == before[1] - 5
    assert camera.scale_factor == pytest.approx(before[2] / 1.25)
    assert np.abs(drawn(view) - at_first).mean() > 1
    qtbot.keyClick(view.holder, KEY.Key_Home)
    assert (camera.azimuth, camera.elevation, camera.scale_factor) == pytest.approx(before)
    assert np.abs(drawn(view) - at_first).mean() < 0.1


@pytest.mark.filterwarnings("ignore:.*QMouseEvent.pos:DeprecationWarning", "ignore:.*globalPos:DeprecationWarning")
def test_the_mouse_turns_the_volume_and_its_wheel_zooms(view, mouse, qtbot):
    canvas, camera = view.scene.widget, view.scene.camera
    before = (camera.azimuth, camera.scale_factor)
    middle = QPointF(canvas.rect().center())
    mouse.drag(canvas, middle, middle + QPointF(60, 0))
    assert camera.azimuth != before[0]
    mouse.wheel(canvas, middle, 2)
    assert camera.scale_factor < before[1]


def test_the_arcball_turns_freely(view, drawn, qtbot):
    view.options.camera.setCurrentText("Arcball")
    view.holder.setFocus()
    before = drawn(view)
    for key in (KEY.Key_Right, KEY.Key_Up):
        turned = drawn(view)
        for _ in range(8):
            qtbot.keyClick(view.holder, key)
        assert np.abs(drawn(view) - turned).mean() > 0.2
    qtbot.keyClick(view.holder, KEY.Key_Home)
    assert np.abs(drawn(view) - before).mean() < 0.1
    view.options.camera.setCurrentText("Turntable")


def test_box_axes_and_crosshair_can_be_switched_on(view, drawn, pixels):
    bare = drawn(view)
    view.options.box.setChecked(True)
    boxed = drawn(view)
    assert np.abs(boxed - bare).max() > 50
    view.options.crosshair.setChecked(True)
    assert np.abs(drawn(view) - boxed).max() > 20
    assert not view.overlay.shows_axes
    view.options.axes.setChecked(True)
    assert view.overlay.shows_axes


def test_more_of_the_field_is_drawn_finely_at_rest_than_while_one_turns(view, qtbot):
    view.scene.pace.forget()
    view.scene.pace.learn(1.0, 0.2)  # as if a frame took 0.2 s at a step of a voxel
    view.holder.setFocus()
    qtbot.keyClick(view.holder, KEY.Key_Right)
    assert view.scene._moving
    moving = view.scene._step
    qtbot.waitUntil(lambda: not view.scene._moving)
    assert view.scene._step < moving


def test_a_flat_picture_has_no_3d_view(window, open_file, tmp_path, qtbot):
    np.save(tmp_path / "flat.npy", np.random.default_rng(0).standard_normal((20, 30)).astype(np.float32))
    open_file(window, tmp_path / "flat.npy")
    assert not window.volume_view.usable
    assert not window.volume_view.isVisible()
    assert window.volume_view.picture(100, 100) is None
    assert not window.actions_by_name["movie"].isEnabled()
