"""What vispy draws: one or two volumes side by side under one camera, with their box and the crosshair.

Scene units: the world, moved so that the box's centre is at 0 and scaled so that its longest edge is 1.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget
from vispy import scene
from vispy.color import Colormap
from vispy.scene.cameras import ArcballCamera, BaseCamera, TurntableCamera
from vispy.util.quaternion import Quaternion
from vispy.visuals.transforms import STTransform

from dinr_studio.coordinates import Grid, reversed_axes
from dinr_studio.sampling.block import Block
from dinr_studio.ui.views.pace import FINEST, MOVING, RESTING, TRAINING, Pace
from dinr_studio.ui.views.volume_look import METHODS, Look

CAMERA_KINDS = {"Turntable": TurntableCamera, "Arcball": ArcballCamera}
BACKGROUND = "#101216"
MARGIN = 50  # pixels that the axes need below and above the box
REST = 250  # milliseconds after the last movement until the volume is drawn finely
FIELD_OF_VIEW = 35.0
BOX_COLOUR, CROSSHAIR_COLOUR = (0.55, 0.58, 0.63, 1.0), (0.88, 0.51, 0.08, 1.0)
EDGES = ((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7))


class _Half:
    """One view with its volume; the second one is hidden while there is only one."""

    def __init__(self, view: scene.ViewBox) -> None:
        self.view = view
        self.volume: scene.visuals.Volume | None = None
        self.block: Block | None = None
        self.box = scene.visuals.Line(pos=np.zeros((2, 3)), connect="segments", color=BOX_COLOUR, parent=view.scene)
        self.cross = scene.visuals.Line(
            pos=np.zeros((2, 3)), connect="segments", color=CROSSHAIR_COLOUR, parent=view.scene
        )
        self.box.order = self.cross.order = -1


class VolumeScene(QObject):
    """Owns the canvas. drawn comes after each frame; camera_moved when the user turns or zooms."""

    drawn = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.canvas = scene.SceneCanvas(keys=None, bgcolor=BACKGROUND, show=False)
        self.look = Look()
        self.pace = Pace()
        self.training = False
        self._moving = False
        self._step = FINEST
        self._frame_began = 0.0
        self._grid: Grid | None = None
        self._crosshair: tuple[float, ...] = (0.0, 0.0, 0.0)
        self._halves = [_Half(scene.ViewBox(parent=self.canvas.scene)) for _ in range(2)]
        self.two = False
        self.set_camera("Turntable")
        self.show_two(two=False)
        self.canvas.events.resize.connect(self._place_halves)
        self._rest = QTimer(self, singleShot=True, interval=REST)
        self._rest.timeout.connect(self._on_rest)
        for event in (self.canvas.events.mouse_press, self.canvas.events.mouse_wheel, self.canvas.events.mouse_move):
            event.connect(self._on_mouse)
        self.canvas.events.draw.connect(self._before_frame, position="first")
        self.canvas.events.draw.connect(self._after_frame, position="last")

    @property
    def widget(self) -> QWidget:
        """The canvas as a widget."""
        native: QWidget = self.canvas.native
        return native

    # What is drawn

    def set_grid(self, grid: Grid) -> None:
        """Another box: three axes in z, y, x order; the camera starts afresh."""
        self._grid = grid
        for half in self._halves:
            self._forget(half)
            half.box.set_data(pos=self._corners()[np.array(EDGES).ravel()])
        self.reset_camera()

    def _forget(self, half: _Half) -> None:
        if half.volume is not None:
            half.volume.parent = None
        half.volume = half.block = None

    def show_two(self, *, two: bool) -> None:
        """Two views side by side, or the first one alone."""
        self.two = two
        self._halves[1].view.visible = two
        self._place_halves()
        self.canvas.update()

    def _place_halves(self, event: object = None) -> None:
        width, height = self.canvas.size
        share = width / 2 if self.two else width
        for side, half in enumerate(self._halves):
            half.view.pos = (side * share, 0)
            half.view.size = (share, height)

    def set_block(self, side: int, block: Block | None) -> None:
        """Draws a block in one of the halves, or nothing."""
        half = self._halves[side]
        if block is None:
            self._forget(half)
        else:
            half.block = block
            self._upload(half)
        self.canvas.update()

    def set_look(self, look: Look) -> None:
        """Draws the volumes in another way."""
        before, self.look = self.look, look
        if (before.method == "Slicing plane") != (look.method == "Slicing plane") or before.method != look.method:
            self.pace.forget()
        for half in self._halves:
            if half.block is not None and (before.clip, before.span) != (look.clip, look.span):
                self._upload(half)
            elif half.volume is not None:
                self._style(half)
        self.canvas.update()

    def set_crosshair(self, at: tuple[float, ...]) -> None:
        """The crosshair's index along z, y, x of the box's grid."""
        self._crosshair = at
        if self._grid is None:
            return
        middle = self._in_scene(self._grid.world(np.array(at)))
        ends = []
        corners = self._corners()
        for axis in range(3):
            for extreme in (corners.min(axis=0), corners.max(axis=0)):
                end = middle.copy()
                end[axis] = extreme[axis]
                ends.append(end)
        for half in self._halves:
            half.cross.set_data(pos=np.array(ends))
            if half.volume is not None and self.look.method == "Slicing plane":
                self._place_plane(half)
        self.canvas.update()

    def show_guides(self, *, box: bool, crosshair: bool) -> None:
        """Switches the box and the crosshair on and off."""
        for half in self._halves:
            half.box.visible, half.cross.visible = box, crosshair
        self.canvas.update()

    def _scale(self) -> NDArray[np.float64]:
        """Scene units per world unit along z, y, x: the same for all axes whose units are alike."""
        assert self._grid is not None
        extent = np.array(self._grid.extent)
        return 1.0 / (np.full(3, extent.max()) if len(set(self._grid.units)) == 1 else extent)

    def _in_scene(self, world: NDArray[np.float64]) -> NDArray[np.float64]:
        """World positions (..., 3) in z, y, x as scene positions (..., 3) in x, y, z."""
        assert self._grid is not None
        grid = self._grid
        centre = np.array(grid.origin) + (np.array(grid.shape) - 1) / 2 * np.array(grid.voxel_size)
        return np.asarray((world - centre) * self._scale())[..., ::-1].copy()

    def _corners(self) -> NDArray[np.float64]:
        """The box's eight corners in the scene, x changing fastest."""
        assert self._grid is not None
        faces = [
            (o - v / 2, o - v / 2 + e)
            for o, v, e in zip(self._grid.origin, self._grid.voxel_size, self._grid.extent, strict=True)
        ]
        z, y, x = faces
        return self._in_scene(np.array([(k, j, i) for k in z for j in y for i in x]))

    def _clipped(self, block: Block) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The part of a block that is kept, and the world position of its first voxel's centre."""
        starts = [
            min(int(a * n), n - 2) if n > 1 else 0 for (a, _), n in zip(self.look.clip, block.values.shape, strict=True)
        ]
        stops = [
            max(s + 2, int(np.ceil(b * n)))
            for s, (_, b), n in zip(starts, self.look.clip, block.values.shape, strict=True)
        ]
        part = block.values[tuple(slice(max(0, a), b) for a, b in zip(starts, stops, strict=True))]
        return part, block.grid.world(np.maximum(starts, 0).astype(float))

    def _upload(self, half: _Half) -> None:
        assert half.block is not None
        low, high = self.look.span
        part, origin = self._clipped(half.block)
        texture = ((part - low) / ((high - low) or 1.0)).astype(np.float32)
        texture = np.ascontiguousarray(np.nan_to_num(texture, nan=0.0, posinf=1.0, neginf=0.0))
        if half.volume is None:
            half.volume = scene.visuals.Volume(
                texture,
                clim=self._scaled_limits(),
                texture_format="auto",
                interpolation="linear",
                parent=half.view.scene,
            )
        else:
            half.volume.set_data(texture, clim=self._scaled_limits())
        half.volume.transform = STTransform(
            scale=reversed_axes(tuple(np.array(half.block.grid.voxel_size) * self._scale())),
            translate=self._in_scene(origin),
        )
        self._style(half)

    def _scaled_limits(self) -> tuple[float, float]:
        low, high = self.look.span
        a, b = ((limit - low) / ((high - low) or 1.0) for limit in self.look.limits)
        return float(a), float(max(b, a + 1e-6))

    def _style(self, half: _Half) -> None:
        volume, look = half.volume, self.look
        assert volume is not None
        low, high = look.span
        plane = look.method == "Slicing plane"
        if volume.method != METHODS[look.method]:
            volume.method = METHODS[look.method]
        mode = "plane" if plane else "volume"
        if volume.raycasting_mode != mode:
            volume.raycasting_mode = mode
        volume.clim = self._scaled_limits()
        volume.threshold = float((look.level - low) / ((high - low) or 1.0))
        volume.attenuation = look.attenuation
        self._colour(volume)
        if plane:
            self._place_plane(half)
        self._set_step(self._step)

    def _colour(self, volume: scene.visuals.Volume) -> None:
        table = self.look.transfer.colours(self.look.colours)
        if self.look.method == "Translucent":  # as opaque with long steps as with short ones
            table[:, 3] = 1.0 - (1.0 - np.minimum(table[:, 3], 0.999)) ** (self._step / 4)
        elif self.look.method in ("Isosurface", "Slicing plane"):
            table[:, 3] = 1.0
        volume.cmap = Colormap(table)

    def _place_plane(self, half: _Half) -> None:
        assert half.volume is not None
        assert half.block is not None
        assert self._grid is not None
        _, origin = self._clipped(half.block)
        world = self._grid.world(np.array(self._crosshair))
        half.volume.plane_position = (world - origin) / np.array(half.block.grid.voxel_size)
        half.volume.plane_normal = np.eye(3)[self.look.plane_axis]
        half.volume.plane_thickness = max(1.0, self.look.plane_thickness)

    # The camera

    def set_camera(self, name: str) -> None:
        """One of CAMERAS (volume_look.py), for both halves."""
        cameras = [CAMERA_KINDS[name](fov=FIELD_OF_VIEW) for _ in self._halves]
        for half, camera in zip(self._halves, cameras, strict=True):
            half.view.camera = camera
        cameras[0].link(cameras[1])
        self.reset_camera()

    @property
    def camera(self) -> BaseCamera:
        """The camera of the first half, which the second one follows."""
        return self._halves[0].view.camera

    def reset_camera(self) -> None:
        """The whole box, seen from a little above."""
        camera = self.camera
        camera.center = (0.0, 0.0, 0.0)
        size = (
            1.0
            if self._grid is None
            else float(np.linalg.norm(self._corners().max(axis=0) - self._corners().min(axis=0)))
        )
        height = max(120, self.canvas.size[1])
        camera.scale_factor = 1.1 * size * height / (height - MARGIN)
        if isinstance(camera, TurntableCamera):
            camera.azimuth, camera.elevation = 35.0, 25.0
        else:
            camera.set_state({"_quaternion": Quaternion()})
        self.canvas.update()

    def turn(self, degrees: float, elevation: float = 0.0) -> None:
        """Turns the camera about the vertical axis, and up or down."""
        camera = self.camera
        if isinstance(camera, TurntableCamera):
            camera.azimuth += degrees
            camera.elevation += elevation
        else:  # an arcball's quaternion has the vertical axis in the middle
            turn = Quaternion.create_from_axis_angle(np.radians(degrees), 0.0, 1.0, 0.0)
            tilt = Quaternion.create_from_axis_angle(np.radians(elevation), 1.0, 0.0, 0.0)
            camera.set_state({"_quaternion": camera.get_state()["_quaternion"] * turn * tilt})
        self._begin_moving()

    def zoom(self, factor: float) -> None:
        """Comes closer (above 1) or goes away."""
        self.camera.scale_factor = self.camera.scale_factor / factor
        self._begin_moving()

    def _on_mouse(self, event: object) -> None:
        if getattr(event, "type", "") == "mouse_wheel" or getattr(event, "is_dragging", False):
            self._begin_moving()

    def _begin_moving(self) -> None:
        self._moving = True
        self._rest.start()
        self._choose_step()
        self.canvas.update()

    def _on_rest(self) -> None:
        self._moving = False
        self._choose_step()
        self.canvas.update()

    # Frames

    def _choose_step(self) -> None:
        budget = MOVING if self._moving else TRAINING if self.training else RESTING
        self._set_step(self.pace.step(budget))

    def _set_step(self, step: float) -> None:
        changed = abs(step - self._step) > 0.05 * self._step
        self._step = step if changed else self._step
        for half in self._halves:
            if half.volume is not None:
                half.volume.relative_step_size = FINEST if self.look.method == "Slicing plane" else self._step
                if changed and self.look.method == "Translucent":
                    self._colour(half.volume)

    def _before_frame(self, event: object) -> None:
        self._frame_began = time.perf_counter()

    def _after_frame(self, event: object) -> None:
        self.canvas.context.finish()
        if any(half.volume is not None for half in self._halves):
            self.pace.learn(self._step, time.perf_counter() - self._frame_began)
            before = self._step
            self._choose_step()
            if abs(before - self._step) > 0.3 * before and not self._moving:
                self._rest.start()  # this frame was coarser or finer than the machine allows: draw it once more
        self.drawn.emit()

    def projected(self, side: int, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Canvas pixels (N, 2) of scene positions (N, 3) in one of the halves."""
        transform = self._halves[side].box.get_transform("visual", "canvas")
        mapped = np.asarray(transform.map(positions))
        return np.asarray(mapped[:, :2] / mapped[:, 3:4])

    def corner_positions(self) -> NDArray[np.float64]:
        """The box's corners in the scene (8, 3), x changing fastest; empty without a box."""
        return np.zeros((0, 3)) if self._grid is None else self._corners()

    def picture(self, width: int, height: int) -> QImage:
        """The scene drawn finely at a size in pixels, without axes; only once the canvas has been shown."""
        before, self._step = self._step, FINEST
        self._set_step(FINEST)
        with _filling(self.canvas, (width, height)):
            rendered = self.canvas.render(size=(width, height), alpha=False)
        self._set_step(before)
        rgb = np.ascontiguousarray(rendered[..., :3])
        return QImage(rgb.data, rgb.shape[1], rgb.shape[0], 3 * rgb.shape[1], QImage.Format.Format_RGB888).copy()

    def close(self) -> None:
        """Frees what the graphics card holds."""
        self._rest.stop()
        self.canvas.close()


@contextmanager
def _filling(canvas: scene.SceneCanvas, size: tuple[int, int]) -> Iterator[None]:
    """Lets a canvas fill a picture of any size: vispy 0.17 by itself draws it no larger than on the screen."""
    plain = canvas._update_transforms

    def scaled() -> None:
        plain()
        if canvas._fb_stack:
            canvas.transforms.configure(viewport=(0, 0, *size), fbo_size=size, fbo_rect=(0, 0, *canvas.physical_size))

    canvas._update_transforms = scaled
    try:
        yield
    finally:
        del canvas._update_transforms
