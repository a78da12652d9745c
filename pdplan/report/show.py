"""Numbers of a report are read from the JSON documents, by pointer: what the page shows, the JSON says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup, escape

from pdplan import units
from pdplan.plotting import readable

#: What has no number.
NOTHING: Final = "–"


def resolve(document: Any, pointer: str) -> Any:
    """Return the value at a JSON pointer (RFC 6901).

    Examples
    --------
    >>> resolve({"pools": [{"prefill.router": "jsq"}]}, "/pools/0/prefill.router")
    'jsq'
    """
    value = document
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def shown(value: Any, kind: str) -> str:
    """Return a value as the page writes it.

    Examples
    --------
    >>> shown(1.325261159, "time"), shown(23.92, "price"), shown(20000, "count"), shown(0.0151, "fraction")
    ('1.33 s', '23.92 USD/h', '20,000', '1.5%')
    """
    if value is None:
        return NOTHING
    if kind == "text":
        return str(value)
    if kind == "target":
        return readable(str(value))
    number = float(value)
    if kind == "price":
        return f"{number:,.2f} USD/h"
    if kind == "usd":
        return f"{number:,.2f}" if abs(number) >= 0.1 or number == 0 else f"{number:.4f}"
    if kind == "ratio":
        return f"{number:.2f}"
    if kind in ("count", "tokens"):
        return f"{number:,.0f}"
    if kind == "fraction":
        return f"{100 * number:.1f}%" if abs(number) < 0.1 else f"{100 * number:.0f}%"
    if kind == "signed":
        text = f"{100 * number:+.1f}%" if abs(number) < 0.1 else f"{100 * number:+.0f}%"
        return "0.0%" if float(text[:-1]) == 0 else text.replace("-", "\N{MINUS SIGN}")
    return units.show(number, kind)


@dataclass(frozen=True, slots=True)
class Show:
    """Write values of the documents as elements that say where they come from.

    A number becomes ``<data value="23.92" data-json="/fleet/cost/usd_per_hour">23.92 USD/h</data>``, a text
    ``<span data-json="...">``. Pointers into other documents than the plan's begin with their name.
    """

    documents: Mapping[str, Any]

    def value(self, pointer: str) -> Any:
        """Return the value at a pointer."""
        name, _, path = pointer.rpartition(":") if ":/" in pointer else ("plan", "", pointer)
        return resolve(self.documents[name], path)

    def __call__(self, pointer: str, kind: str = "text") -> Markup:
        """Return the element of one value."""
        value = self.value(pointer)
        text = escape(shown(value, kind))
        where = escape(pointer)
        if value is None:
            return Markup('<span data-json="{}">{}</span>').format(where, text)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            unbroken = Markup(str(text).replace(" ", "&nbsp;"))
            return Markup('<data value="{}" data-json="{}" data-kind="{}">{}</data>').format(
                repr(value), where, kind, unbroken
            )
        return Markup('<span data-json="{}">{}</span>').format(where, text)
