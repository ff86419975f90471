"""Puts right what Qt writes of plots as SVG, so that all programs draw it alike. Knows no Qt.

Qt marks lines as ones that must not scale, which many programs draw as thick as the plot is wide, and forgets to lift
a clip when what was clipped is over. Here each group's matrix is worked into the points of its shapes, Qt's clips are
dropped, and what is drawn in a plot's own coordinates is clipped to the plot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import isclose
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

SVG = "http://www.w3.org/2000/svg"
NAMESPACES = {"": SVG, "xlink": "http://www.w3.org/1999/xlink"}
GROUP, RECTANGLE, PATH, DEFINITIONS, CLIP = (f"{{{SVG}}}{tag}" for tag in ("g", "rect", "path", "defs", "clipPath"))
EFFECT, UNSCALED = "vector-effect", "non-scaling-stroke"
PAIR = re.compile(r"([-+.\de]+),([-+.\de]+)")
MATRIX = re.compile(r"matrix\(([^)]*)\)")

Matrix = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]  # left, top, width, height


def plain_svg(drawings: Sequence[tuple[bytes, Box]]) -> bytes:
    """One drawing of several that Qt made of plots on the same page; boxes: where each one's curves may be."""
    for prefix, address in NAMESPACES.items():
        ElementTree.register_namespace(prefix, address)
    roots = [ElementTree.fromstring(content) for content, _ in drawings]
    for i, (root, (_, box)) in enumerate(zip(roots, drawings, strict=True)):
        _put_right(root, f"plot{i + 1}", box)
    for other in roots[1:]:
        roots[0].extend(child for child in other if child.tag in (GROUP, DEFINITIONS))
    return bytes(ElementTree.tostring(roots[0], encoding="utf-8", xml_declaration=True))


def _put_right(root: Element, name: str, box: Box) -> None:
    for element in root.iter():
        element.attrib.pop("clip-path", None)
    for definitions in root.iter(DEFINITIONS):
        for clip in definitions.findall(CLIP):
            definitions.remove(clip)
        place = dict(zip(("x", "y", "width", "height"), map(str, box), strict=True))
        SubElement(SubElement(definitions, CLIP, id=name), RECTANGLE, place)
    for group in list(root.iter(GROUP)):
        found = MATRIX.fullmatch(group.get("transform", ""))
        if found is not None:
            a, b, c, d, e, f = (float(number) for number in found[1].split(","))
            _work_in(group, (a, b, c, d, e, f))
            if len(group) and not isclose(abs(a * d - b * c), 1.0, rel_tol=1e-4):
                group.set("clip-path", f"url(#{name})")
    for element in root.iter():
        element.attrib.pop(EFFECT, None)


def _work_in(group: Element, matrix: Matrix) -> None:
    moved = group.attrib.pop("transform")
    for shape in group:
        if shape.get(EFFECT) == UNSCALED:
            _move(shape, matrix)
        else:
            shape.set("transform", f"{moved} {shape.get('transform', '')}".rstrip())


def _move(shape: Element, matrix: Matrix) -> None:
    if shape.tag == RECTANGLE:
        _as_path(shape)
    for attribute in ("d", "points"):
        if attribute in shape.attrib:
            shape.set(attribute, PAIR.sub(_mover(matrix), shape.attrib[attribute]))


def _mover(matrix: Matrix) -> Callable[[re.Match[str]], str]:
    a, b, c, d, e, f = matrix

    def moved(pair: re.Match[str]) -> str:
        x, y = float(pair[1]), float(pair[2])
        return f"{a * x + c * y + e:.3f},{b * x + d * y + f:.3f}"

    return moved


def _as_path(rectangle: Element) -> None:
    x, y, width, height = (float(rectangle.attrib.pop(name, "0")) for name in ("x", "y", "width", "height"))
    rectangle.tag = PATH
    rectangle.set("d", f"M{x},{y} L{x + width},{y} L{x + width},{y + height} L{x},{y + height} Z")
