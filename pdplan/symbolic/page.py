"""The working as one self-contained HTML page: MathML for the formulas, no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pdplan.symbolic.shown import Shown

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
section { border-top: 1px solid var(--line); padding: .5rem 0 1rem; }
h2 { font-size: 1.05rem; margin: .6rem 0; }
h2 code { font-weight: normal; opacity: .7; margin-left: .5rem; }
math { font-size: 1rem; }
mtd { text-align: left; padding: .15em .2em; }
mtd:first-child { text-align: right; }
.equation { padding: .5rem .8rem; background: var(--soft); overflow-x: auto; }
.computed { font-family: ui-serif, serif; }
table { border-collapse: collapse; font-size: .9rem; }
td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .9rem; }
dt { opacity: .7; } dd { margin: 0; }
@media print { body { margin: 0; } section { break-inside: avoid; } }
"""


def page(title: str, shown: Sequence[Shown]) -> str:
    """Return the page.

    Examples
    --------
    >>> "<title>a &lt;b&gt;</title>" in page("a <b>", [])
    True
    """
    body = "\n".join(_section(s) for s in shown)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def _section(s: Shown) -> str:
    parts = [f'<section id="{escape(s.name)}">', f"<h2>{escape(s.title)} <code>{escape(s.name)}</code></h2>"]
    if s.kind == "computed":
        parts.append(f'<p class="computed">{escape(_signs(s.formula))}</p>')
    parts.append(f'<div class="equation">{s.mathml}</div>')
    if s.where:
        parts.append(f"<table>{''.join(_row(line) for line in s.where)}</table>")
    facts = [
        ("method", s.method),
        ("residual", "" if s.residual is None else s.residual_text),
        ("trust", s.trust),
        ("source", s.source),
    ]
    rows = "".join(f"<dt>{k}</dt><dd>{escape(v)}</dd>" for k, v in facts if v)
    return "\n".join([*parts, f"<dl>{rows}</dl>", "</section>"])


def _signs(equation: str) -> str:
    """Return a plain equation with the signs of print."""
    for plain, sign in (("sum_i w_i", "Σᵢ wᵢ"), ("sum_n", "Σₙ"), ("(L_i)", "(Lᵢ)"), ("<=", "≤"), (">=", "≥")):
        equation = equation.replace(plain, sign)
    return equation


def _row(line: str) -> str:
    """Return a line of what the symbols are; what is explained here is a link."""
    left, _, words = line.partition("  ")
    words, _, name = words.strip().partition(", see ")
    link = f' <a href="#{escape(name)}">{escape(name)}</a>' if name else ""
    return f"<tr><td>{escape(left.strip())}</td><td>{escape(words)}{link}</td></tr>"
