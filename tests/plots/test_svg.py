"""The small SVG draws what the large one drew."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree as ET

from matplotlib.backends.backend_svg import FigureCanvasSVG

from inoc.plots.style import house_style, new_figure
from inoc.plots.svg import SVG, compact

TAGS = ("text", "use", "image", "rect", "pattern", "clipPath")


def drawn() -> bytes:
    """Lines, hatched bars, points, a picture, and text in all directions."""
    with house_style():
        figure = new_figure(3)
        one, other = figure.subplots(1, 2)
        one.bar([0, 1], [2, 3], color="#E69F00", hatch="////", edgecolor="white")
        one.scatter([0, 1], [1, 1.5], marker="s", zorder=4)
        one.set_ylabel("points")
        one.set_title("a < b & c")
        other.imshow([[0, 1], [1, 0]])
        other.tick_params(axis="x", labelrotation=45)
        buffer = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()


def tags(svg: bytes) -> dict[str, int]:
    root = ET.fromstring(svg)
    return {tag: len(root.findall(f".//{{{SVG}}}{tag}")) for tag in TAGS}


def colours(svg: bytes) -> set[str]:
    return set(re.findall(r"#[0-9a-f]{6}\b", svg.decode()))


def test_nothing_that_is_seen_is_lost_and_little_is_left() -> None:
    large = drawn()
    small = compact(large)
    assert tags(small) == tags(large)
    assert colours(small) == colours(large)
    assert len(small) < 0.55 * len(large)


def test_whatever_is_referred_to_is_there() -> None:
    small = compact(drawn()).decode()
    names = set(re.findall(r"(?:url\(|href=\")#([\w-]+)", small))
    assert names
    assert names == set(re.findall(r'\bid="([^"]+)"', small))


def test_text_is_text_in_a_face_that_is_there_or_one_as_wide() -> None:
    small = compact(drawn()).decode()
    assert ">a &lt; b &amp; c</text>" in small
    assert "font-family:'DejaVu Sans',Verdana," in small
    assert small.count("font-family") == 1


def test_drawing_twice_gives_the_same_bytes() -> None:
    assert compact(drawn()) == compact(drawn())
