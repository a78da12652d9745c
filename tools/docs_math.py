"""Formulas of the site: LaTeX between ``$$`` (own line) and ``\\(`` ``\\)`` (in a line) becomes MathML."""

from __future__ import annotations

import re
from collections.abc import Callable

from latex2mathml.converter import convert

_CODE = re.compile(r"(^(`{3,}|~{3,}).*?^\2[ \t]*$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
_DISPLAY = re.compile(r"^\$\$(.+?)\$\$[ \t]*$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"\\\((.+?)\\\)", re.DOTALL)


def stashed(markdown: str) -> tuple[str, dict[str, str]]:
    """Return the page with a token for each formula, and what each token stands for."""
    found: dict[str, str] = {}

    def token(latex: str, display: str) -> str:
        key = f"zzmath{len(found)}zz"
        found[key] = _upright(convert(_words(" ".join(latex.split())), display=display))
        return key

    def outside_code(text: str) -> str:
        text = _DISPLAY.sub(lambda m: f"\n{token(m[1], 'block')}\n", text)
        return _INLINE.sub(lambda m: token(m[1], "inline"), text)

    return _outside(markdown, outside_code), found


def _words(latex: str) -> str:
    """Set names of several letters upright: a word is no product of its letters."""
    latex = latex.replace(r"\mathrm{E}", r"\text{E}").replace(r"\mathrm{Var}", r"\text{Var}")
    latex = re.sub(r"(?<![\\A-Za-z{])(TTFT|TPOT|ITL|E2E|TP)(?![A-Za-z])", r"\\mathrm{\1}", latex)
    return re.sub(r"_\{?(in|out|max|host|system|worst|full)\}?(?![A-Za-z])", r"_{\\mathrm{\1}}", latex)


def _upright(mathml: str) -> str:
    """Join the letters of an upright name, which the converter writes one by one."""
    return re.sub(
        r"(?:<mrow>)?((?:<mi mathvariant=\"normal\">\w</mi>){2,})(?:</mrow>)?",
        lambda m: '<mi mathvariant="normal">' + "".join(re.findall(r">(\w)<", m[1])) + "</mi>",
        mathml,
    )


def _outside(markdown: str, change: Callable[[str], str]) -> str:
    """Change what is not code."""
    out, last = [], 0
    for code in _CODE.finditer(markdown):
        out += [change(markdown[last : code.start()]), code[0]]
        last = code.end()
    return "".join([*out, change(markdown[last:])])


def restored(html: str, found: dict[str, str]) -> str:
    """Put the formulas where their tokens are."""
    for key, mathml in found.items():
        html = html.replace(f"<p>{key}</p>", mathml).replace(key, mathml)
    return html
