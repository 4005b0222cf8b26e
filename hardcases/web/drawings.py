"""Drawings that were stored and come back into a page: only what our own renderer makes gets through.

A stored drawing is a file, and a file can be replaced by somebody who can write the store. So it is read as XML and written anew from a
fixed list of elements and attributes; whatever else it holds is left out with everything inside it.
"""

import re
from xml.etree import ElementTree as ET

from django.utils.safestring import SafeString, mark_safe

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = frozenset(SVG + name for name in ("svg", "g", "a", "path", "line", "text", "tspan", "rect", "circle"))
ATTRIBUTES = frozenset(
    {
        *("aria-hidden", "aria-label", "role", "version", "viewBox", "transform", "href"),
        *("d", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "cx", "cy", "r", "rx", "ry", "width", "height"),
        *("fill", "fill-opacity", "opacity", "stroke", "stroke-dasharray", "stroke-linecap", "stroke-miterlimit", "stroke-opacity"),
        *("stroke-width", "font-size", "font-style", "font-weight", "text-anchor", "dominant-baseline"),
    }
)
_INSIDE_THIS_SITE = re.compile(r"(?:/(?![/\\])|[?#])[^\s\x00-\x1f\\]*")
_ELSEWHERE = re.compile(r"url\s*\(", re.IGNORECASE)


def drawing(svg: str) -> SafeString:
    """The drawing as markup for a page; nothing for a text that is no drawing, or that declares entities."""
    if "<!" in svg:
        return SafeString()
    try:
        root = ET.fromstring(svg)  # nosec B314  # noqa: S314 - without a DOCTYPE there are no entities to expand
    except ET.ParseError:
        return SafeString()
    if root.tag != f"{SVG}svg":
        return SafeString()
    _keep_known(root)
    ET.register_namespace("", SVG[1:-1])
    return mark_safe(ET.tostring(root, encoding="unicode"))  # nosec B308 B703  # noqa: S308 - written a line above from the two lists


def _keep_known(element: ET.Element) -> None:
    for name, value in list(element.attrib.items()):
        outward = name == "href" and not (element.tag == f"{SVG}a" and _INSIDE_THIS_SITE.fullmatch(value))
        fetches = name != "aria-label" and _ELSEWHERE.search(value)
        if name not in ATTRIBUTES or outward or fetches:
            del element.attrib[name]
    for child in list(element):
        if child.tag in ELEMENTS:
            _keep_known(child)
        else:
            element.remove(child)
