"""From a Vega-Lite specification to SVG that may stand inside a page under a strict content security policy.

The drawing is Vega's; what is done here is only what a page needs of it: no style attributes, no fixed fonts, colours as CSS custom
properties so that
the theme and print decide them, and one link per row with a sentence for people who do not see the row.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as ET

import vl_convert

_SVG = "http://www.w3.org/2000/svg"
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_DROPPED_ATTRIBUTES = {
    "style",
    "font-family",
    "class",
    "role",
    "aria-label",
    "aria-roledescription",
    "aria-hidden",
    "pointer-events",
    _XLINK_HREF,
}
# What XML 1.0 cannot carry: control characters, lone surrogates and the two non-characters. Names of strata come from outside.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ADDRESS = re.compile(r"(?:/(?![/\\])|[?#])[^\s\x00-\x1f]*")
TARGETS = "targets"

ET.register_namespace("", _SVG)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A row that can be opened: its sentence, and the address inside this site (None: the row is only read)."""

    sentence: str
    url: str | None


def clean(text: str) -> str:
    """`text` without the characters that would make the drawing unreadable as XML."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def draw(spec: Mapping[str, Any], *, label: str, targets: Sequence[Target]) -> str:
    """Draw `spec` and return SVG text whose root carries `label`.

    The layer named `TARGETS` must hold one rectangle per target, in the same order; each becomes a link, everything else is hidden from
    screen readers
    because the links' sentences and the table beside the chart say the same. Raises ValueError on an address outside this site.
    """
    root = ET.fromstring(_rendered(json.dumps(spec)))  # nosec B314  # noqa: S314 - written a moment ago by our own renderer, which escapes what it is given
    _link(root, targets)
    for element in list(root.iter()):
        _strip(element)
    del root.attrib["width"], root.attrib["height"]
    root.set("role", "group")
    root.set("aria-label", clean(label))
    return ET.tostring(root, encoding="unicode")


@lru_cache(maxsize=64)
def _rendered(spec: str) -> str:
    """Vega's drawing of a specification in JSON, remembered: a release draws the same one each time somebody looks."""
    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))


def _link(root: ET.Element, targets: Sequence[Target]) -> None:
    for group in root.iter(f"{{{_SVG}}}g"):
        if f"{TARGETS}_marks" not in group.get("class", ""):
            continue
        rectangles = list(group)
        if len(rectangles) != len(targets):
            raise ValueError(f"{len(rectangles)} rows were drawn for {len(targets)} targets.")
        for rectangle, target in zip(rectangles, targets, strict=True):
            group.remove(rectangle)
            group.append(_wrapped(rectangle, target))


def _wrapped(rectangle: ET.Element, target: Target) -> ET.Element:
    if target.url is None:
        box = ET.Element(f"{{{_SVG}}}g", {"data-role": "img", "data-label": clean(target.sentence)})
    elif _ADDRESS.fullmatch(target.url):
        box = ET.Element(f"{{{_SVG}}}a", {"href": clean(target.url), "data-label": clean(target.sentence)})
    else:
        raise ValueError(f"A chart links only to this site; {target.url!r} leads elsewhere.")
    box.append(rectangle)
    return box


def _strip(element: ET.Element) -> None:
    """Remove Vega's own dressing; hide every leaf that is not part of a target; give back the labels set by `_wrapped`."""
    for child in list(element):
        is_empty_frame = child.get("class") in {"background", "foreground"}
        is_paper = child.tag == f"{{{_SVG}}}rect" and child.get("fill") == "white"
        if is_empty_frame or is_paper:
            element.remove(child)
        elif "role-mark" in child.get("class", "") and f"{TARGETS}_marks" not in child.get("class", ""):
            child.set("data-hidden", "true")
    for name in _DROPPED_ATTRIBUTES & element.attrib.keys():
        del element.attrib[name]
    for private, public in (("data-label", "aria-label"), ("data-role", "role"), ("data-hidden", "aria-hidden")):
        if private in element.attrib:
            element.set(public, element.attrib.pop(private))
