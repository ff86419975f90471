"""How volumes are drawn, in words and numbers: what the 3D view's controls choose and its scene draws."""

from __future__ import annotations

from dataclasses import dataclass, field

from dinr_studio.ui.views.transfer import TransferFunction

METHODS = {  # the names that people see, and vispy's
    "MIP": "mip",
    "Attenuated MIP": "attenuated_mip",
    "Translucent": "translucent",
    "Average": "average",
    "Isosurface": "iso",
    "Slicing plane": "mip",
}
CAMERAS = ("Turntable", "Arcball")

Clip = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Look:
    """How volumes are drawn. span: values that become 0 and 1 in the texture; limits and level in the value's unit.

    clip: shares (start, stop) of the box that are kept along z, y and x. plane_axis: 0, 1 or 2 for z, y, x.
    """

    method: str = "MIP"
    span: tuple[float, float] = (0.0, 1.0)
    limits: tuple[float, float] = (0.0, 1.0)
    level: float = 0.5
    attenuation: float = 1.0
    colours: str = "gray"
    transfer: TransferFunction = field(default_factory=TransferFunction)
    clip: Clip = ((0.0, 1.0),) * 3
    plane_axis: int = 0
    plane_thickness: float = 1.0
