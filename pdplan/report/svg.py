"""Figures as SVG inside a page: the same bytes every time, text as text, no names that clash."""

from __future__ import annotations

import io
import re
import threading
from typing import TYPE_CHECKING, Any, Final

from pdplan.plotting import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: matplotlib's settings are global to the process: one figure is written at a time.
_WRITING: Final = threading.Lock()
_SETTINGS: Final = {"svg.fonttype": "none", "svg.hashsalt": "pdplan", "svg.id": None, "path.simplify": True}
_NO_METADATA: Final = {"Date": None, "Creator": None, "Format": None, "Type": None}


def new_figure(width_in: float = 7.6, height_in: float = 2.6) -> Axes:
    """Return the axes of a figure that pyplot does not know of."""
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(width_in, height_in), layout="constrained")
    ax: Axes = figure.subplots()
    return ax


def inline_svg(ax: Axes, name: str, title: str) -> str:
    """Return the figure of some axes as an ``<svg>`` element.

    Parameters
    ----------
    ax : matplotlib Axes
    name : str
        Put before every id, so that figures of one page do not share any.
    title : str
        Read out instead of the picture.
    """
    import matplotlib as mpl

    figure: Any = ax.figure
    buffer = io.StringIO()
    known = {key: value for key, value in _SETTINGS.items() if key in mpl.rcParams}
    with _WRITING, mpl.rc_context(known):
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA, transparent=True)
    return _tidy(buffer.getvalue(), name, title)


def _tidy(text: str, name: str, title: str) -> str:
    """Cut what belongs to a file of its own, keep only ids that something points to, inherit the font."""
    from markupsafe import escape

    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', body))
    body = re.sub(r'\sid="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r'(url\(#|xlink:href="#)', lambda m: m[1].replace("xlink:", "") + f"{name}-", body)
    body = re.sub(r"font: (?:(\d{3}) )?([\d.]+px) [^;\"]+", r"font-size: \2", body)
    head = re.match(r"<svg[^>]*>", body)
    assert head is not None
    box = re.search(r'viewBox="([^"]+)"', head[0])
    assert box is not None
    opening = f'<svg viewBox="{box[1]}" fill="{INK}" role="img" aria-label="{escape(title)}">'
    return re.sub(r"\n\s*", "\n", opening + body[head.end() :]).strip()
