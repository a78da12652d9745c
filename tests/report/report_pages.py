"""Read a report as a browser would: elements with what they show, and the text that stands in cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "br", "link", "img", "input", "hr"}


@dataclass
class Element:
    """One element: tag, attributes, all text in it, and the text that is not in an element of the JSON."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    loose: str = ""
    children: list[Element] = field(default_factory=list)


class Page(HTMLParser):
    """All elements of a page, in order; unclosed or crossed tags are an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self._open, [e.tag for e in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if self._open:
            self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, tag
        assert self._open[-1].tag == tag, (self._open[-1].tag, tag)
        self._open.pop()

    def handle_data(self, data: str) -> None:
        inside = any("data-json" in e.attributes for e in self._open)
        for element in self._open:
            element.text += data
            if not inside:
                element.loose += data

    def all(self, tag: str) -> list[Element]:
        """Elements of one tag."""
        return [e for e in self.elements if e.tag == tag]

    def of_json(self) -> list[Element]:
        """Elements that show a value of the JSON."""
        return [e for e in self.elements if "data-json" in e.attributes]
