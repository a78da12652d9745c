"""Marks of SVG: text, lines, paths, circles; every word is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

Point = tuple[float, float]


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Return words at a place.

    Examples
    --------
    >>> text(1, 2, "a<b", "tick")
    '<text x="1" y="2" class="tick" text-anchor="start">a&lt;b</text>'
    """
    return f'<text x="{x:.4g}" y="{y:.4g}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(a: Point, b: Point, kind: str) -> str:
    """Return a straight line."""
    return f'<line x1="{a[0]:.4g}" y1="{a[1]:.4g}" x2="{b[0]:.4g}" y2="{b[1]:.4g}" class="{kind}"/>'


def path(points: Iterable[Point], kind: str) -> str:
    """Return a line through points."""
    drawn = " L".join(f"{x:.4g},{y:.4g}" for x, y in points)
    return f'<path d="M{drawn}" class="{kind}"/>'


def dot(x: float, y: float, kind: str, title: str = "", radius: float = 4.0) -> str:
    """Return a circle, with words that appear over it."""
    return f'<circle cx="{x:.4g}" cy="{y:.4g}" r="{radius:g}" class="{kind}">{_title(title)}</circle>'


def box(x: float, y: float, kind: str, title: str = "", side: float = 7.0) -> str:
    """Return a square, with words that appear over it."""
    corner = f'x="{x - side / 2:.4g}" y="{y - side / 2:.4g}"'
    return f'<rect {corner} width="{side:g}" height="{side:g}" class="{kind}">{_title(title)}</rect>'


def picture(width: float, height: float, label: str, marks: Iterable[str]) -> str:
    """Return a picture that says in words what it shows."""
    inside = "".join(marks)
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label, quote=True)}" '
        f'class="chart">{inside}</svg>'
    )


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
