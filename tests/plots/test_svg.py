"""The small SVG draws what the large one drew."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree as ET

import pytest
from matplotlib.backends.backend_svg import FigureCanvasSVG

from inoc.plots.style import house_style, new_figure
from inoc.plots.svg import SVG, compact, steps

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


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("M 1.04 2 L 3 2 L 3 5.5 z", "M1 2h2v3.5z"),
        ("M 1 1 L 2.5 0.5 L 2 1.25 L 9 9", "M1 1l1.5-.5-.5 .7 7 7.8"),
        ("M 0 0 L 1 1 z M 5 5 L 6 6 L 6 7 L 7 8", "M0 0l1 1zM5 5l1 1v1l1 1"),
        ("M 0 -2 C 1 -2 2 -1 2 0 C 2 1 1 2 0 2 z", "M0-2c1 0 2 1 2 2 0 1-1 2-2 2z"),
    ],
)
def test_a_path_is_written_in_steps(path: str, expected: str) -> None:
    assert steps(path, 1) == expected


def test_errors_of_steps_do_not_add_up() -> None:
    spots = [0.349 * place for place in range(1, 200)]
    path = "M 0 0 " + " ".join(f"L {spot:.3f} 0" for spot in spots)
    assert sum(float(step) for step in steps(path, 1).split("h")[1:]) == pytest.approx(round(spots[-1], 1))


@pytest.mark.parametrize("character", [*map(chr, range(32)), "\x7f", "\x85", "\u2028", "\ufffe", "\uffff"])
def test_every_character_of_a_label_can_be_drawn(character: str) -> None:
    with house_style():
        figure = new_figure(3)
        figure.text(0.5, 0.5, f"a{character}b")
        buffer = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Title": f"a{character}b"})
    root = ET.fromstring(compact(buffer.getvalue()))
    said = "".join(root.itertext())
    shown = chr(0x2400 + ord(character)) if ord(character) < 32 else "\ufffd" if ord(character) >= 0xFFFE else character
    assert f"a{shown}b" in said or character.isspace()
