"""Bars as SVG that load nothing and hold their figures as text, for who does not see them.

Bars need no library: those at hand bring three more packages, and a script from their maker's
site unless one forgets to forbid it.
"""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from updates.domain.survey_results import Tally

WIDTH, LABEL, BAR, ROW, TOP = 720, 240, 400, 32, 48
LABEL_CHARACTERS = 34


def bars(tally: Tally) -> bytes:
    """Draw how many chose each option or step, in the question's order."""
    rows = tally.rows
    height = TOP + ROW * len(rows)
    picture = Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        attrib={"font-family": "sans-serif", "font-size": "14"},
    )
    SubElement(picture, "title").text = tally.question.words
    SubElement(picture, "desc").text = "; ".join(f"{value}: {count}" for value, count in rows)
    _text(picture, 8, 24, tally.question.words, 80)
    most = max((count for _, count in rows), default=0) or 1
    for place, (value, count) in enumerate(rows):
        top = TOP + ROW * place
        length = BAR * count // most
        _text(picture, 8, top + 16, value, LABEL_CHARACTERS)
        bar = {"x": LABEL, "y": top, "width": length, "height": ROW - 10}
        SubElement(picture, "rect", {name: str(size) for name, size in bar.items()}, fill="#1f5f8b")
        _text(picture, LABEL + length + 8, top + 16, str(count), LABEL_CHARACTERS)
    return bytes(ElementTree.tostring(picture, encoding="utf-8", xml_declaration=True))


def _text(picture: Element, left: int, base: int, words: str, most: int) -> None:
    """Write words that fit; the whole of them stand in the picture's description."""
    shown = words if len(words) <= most else f"{words[: most - 1]}…"
    SubElement(picture, "text", x=str(left), y=str(base)).text = shown
