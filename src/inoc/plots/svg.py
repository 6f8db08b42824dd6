"""Small SVG: what matplotlib writes, without its scaffolding. It looks the same and says the same.

Groups that only carry a name are opened, numbers are rounded to a tenth of a point, styles that recur become
classes, and everything that is referred to is numbered in order: matplotlib names it by a digest of all bits of its
place, the last of which differ from run to run.
"""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree as ET

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
FONTS = "'DejaVu Sans',Verdana,'Bitstream Vera Sans',Geneva,sans-serif"
"""DejaVu Sans is as wide as Verdana and wider than other common faces: text that has room in it has room in them."""
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
GEOMETRY = ("d", "x", "y", "transform", "width", "height", "points")

_NO_XML = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n\r"} | {0xFFFE: 0xFFFD, 0xFFFF: 0xFFFD}
"""Characters that XML cannot say at all, such as those that control a terminal, and pictures of them."""


def compact(svg: bytes) -> bytes:
    """The same picture in fewer bytes.

    Args:
        svg: As matplotlib writes it.
    """
    for prefix, uri in (("", SVG), ("xlink", XLINK)):
        ET.register_namespace(prefix, uri)
    root = ET.fromstring(svg.decode().translate(_NO_XML))
    for found in root.findall(f"{{{SVG}}}metadata"):
        root.remove(found)
    _open_groups(root)
    _number_names(root)
    _round(root)
    _clip_by_style(root)
    lines = _share_styles(root)
    _join_strokes(root, lines)
    for element in root.iter():
        element.tail = None
        if element.tag != f"{{{SVG}}}text":
            element.text = (element.text or "").strip() or None
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text.replace(b'" />', b'"/>')


def _open_groups(parent: ET.Element) -> None:
    """Put the children of groups that have no attribute but their name in the group's place."""
    children: list[ET.Element] = []
    for child in list(parent):
        _open_groups(child)
        if child.tag == f"{{{SVG}}}g" and set(child.attrib) <= {"id"}:
            children += list(child)
        else:
            children.append(child)
    parent[:] = children


def _number_names(root: ET.Element) -> None:
    """Short names, in order, for what is referred to; none for what is not."""
    used: dict[str, str] = {}
    for element in root.iter():
        for key, value in element.attrib.items():
            for name in _references(key, value):
                used.setdefault(name, f"n{len(used)}")
    for element in root.iter():
        if "id" in element.attrib:
            name = element.attrib.pop("id")
            if name in used:
                element.set("id", used[name])
        for key, value in element.attrib.items():
            for name in _references(key, value):
                element.set(key, element.attrib[key].replace(f"#{name}", f"#{used[name]}"))


def _references(key: str, value: str) -> list[str]:
    return [value.removeprefix("#")] if key == HREF else re.findall(r"url\(#([\w-]+)\)", value)


def _round(element: ET.Element, digits: int = 1) -> None:
    """Round to a tenth of a point, and the shapes of markers, which are small, to a hundredth."""
    digits = 2 if element.tag == f"{{{SVG}}}defs" else digits
    for key in GEOMETRY:
        if key in element.attrib:
            element.set(key, _shorter(key, element.attrib[key], digits))
    for child in element:
        _round(child, digits)


PARTS = re.compile(r"[A-Za-z]|-?\d+(?:\.\d+)?(?:e-?\d+)?")
SIZES = {"M": 2, "L": 2, "Q": 4, "C": 6}
"""Command of a path → numbers after it."""


def steps(path: str, digits: int) -> str:
    """A path whose points are given by the steps between them, which have fewer digits.

    Args:
        path: With the commands M, L, Q, C and z, in absolute coordinates.
        digits: After the point. Steps are taken between rounded points, so their errors do not add up.
    """
    unit, at, begin, last = 10**digits, (0, 0), (0, 0), ""
    written: list[str] = []
    tokens = PARTS.findall(path)
    index = 0
    while index < len(tokens):
        command = tokens[index]
        n = SIZES.get(command, 0)
        numbers = [round(float(token) * unit) for token in tokens[index + 1 : index + 1 + n]]
        index += 1 + n
        if not n:
            written.append("z")
            at, last = begin, command
            continue
        away = [number - at[place % 2] for place, number in enumerate(numbers)]
        at = (numbers[-2], numbers[-1])
        if command == "M":
            begin = at
            written.append("M" + _joined(numbers, digits))
        elif command == "L" and 0 in away:
            written.append(f"h{_joined(away[:1], digits)}" if away[1] == 0 else f"v{_joined(away[1:], digits)}")
        else:
            text = _joined(away, digits)
            again = command == last and "h" != written[-1][0] != "v"
            written.append((text if text[0] == "-" else f" {text}") if again else command.lower() + text)
        last = command
    return "".join(written)


def _joined(numbers: list[int], digits: int) -> str:
    texts = [f"{number / 10**digits:.{digits}f}".rstrip("0").rstrip(".") for number in numbers]
    short = [re.sub(r"^(-?)0\.", r"\1.", text) for text in texts]
    return " ".join(short).replace(" -", "-")


def _shorter(key: str, value: str, digits: int) -> str:
    # A scale multiplies what is inside it, so its digits count for more.
    if key == "d":
        return steps(value, digits)
    digits = 5 if "scale" in value or "matrix" in value else digits
    value = NUMBER.sub(lambda match: f"{float(match[0]):.{digits}f}".rstrip("0").rstrip("."), value)
    value = re.sub(r"(?<![\d.])-0(?![\d.])", "0", " ".join(value.split()))
    return re.sub(r"^rotate\(0 [^)]*\)$", "", value)


def _clip_by_style(root: ET.Element) -> None:
    for element in root.iter():
        clip = element.attrib.pop("clip-path", None)
        if clip is not None:
            element.set("style", f"{element.get('style', '')}; clip-path: {clip}".strip("; "))


def _join_strokes(parent: ET.Element, lines: set[str]) -> None:
    """One path for neighbours that are only stroked, and in the same way."""
    joined: list[ET.Element] = []
    for child in list(parent):
        _join_strokes(child, lines)
        plain = child.get("class") in lines and set(child.attrib) == {"d", "class"}
        if plain and joined and joined[-1].attrib == {**child.attrib, "d": joined[-1].get("d")}:
            joined[-1].set("d", joined[-1].attrib["d"] + child.attrib["d"])
        else:
            joined.append(child)
    parent[:] = joined


def _share_styles(root: ET.Element) -> set[str]:
    """Replace styles that recur by classes; those of lines without a fill are returned."""
    counts = Counter(element.get("style", "") for element in root.iter())
    shared = {style: f"s{index}" for index, (style, n) in enumerate(counts.items()) if style and n > 1}
    for element in root.iter():
        style = element.get("style")
        if element.get("transform") == "":
            del element.attrib["transform"]
        if style is None:
            continue
        if style in shared:
            del element.attrib["style"]
            element.set("class", shared[style])
        else:
            element.set("style", _tight(style))
    rules = [f".{name}{{{_tight(style)}}}" for style, name in shared.items()]
    sheet = ET.Element(f"{{{SVG}}}style")
    sheet.text = f"text{{font-family:{FONTS}}}" + "".join(rules)
    root.insert(1 if len(root) and root[0].tag == f"{{{SVG}}}title" else 0, sheet)
    return {name for style, name in shared.items() if "fill: none" in style}


def _tight(style: str) -> str:
    parts = (part.strip() for part in style.split(";"))
    kept = (re.sub(r"\s*:\s*", ":", part) for part in parts if part and not part.startswith("font-family"))
    return ";".join(kept)
