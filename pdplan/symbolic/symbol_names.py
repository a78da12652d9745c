"""Symbols as they are typed once (``rho_P``, ``E[S]``) and written in text, LaTeX and MathML."""

from __future__ import annotations

import re
from html import escape

#: Greek letters: how they are typed, and the letter.
GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "theta": "θ",
    "kappa": "κ",
    "Lambda": "Λ",
    "lambda": "λ",
    "mu": "μ",
    "phi": "φ",
    "pi": "π",
    "rho": "ρ",
    "tau": "τ",
}
_CALL = re.compile(r"^(E|Var|P)\[(.*)\]$")
_GREEK = re.compile(r"\b(" + "|".join(GREEK) + r")\b|(?<![A-Za-z])(" + "|".join(GREEK) + r")(?=_)")


def text_symbol(symbol: str) -> str:
    """Return a symbol for a terminal.

    Examples
    --------
    >>> text_symbol("rho_P"), text_symbol("E[S]"), text_symbol("lambda")
    ('ρ_P', 'E[S]', 'λ')
    """
    return _GREEK.sub(lambda m: GREEK[m[0]], symbol)


def latex_symbol(symbol: str) -> str:
    r"""Return a symbol in LaTeX.

    Examples
    --------
    >>> latex_symbol("rho_P"), latex_symbol("E[S]"), latex_symbol("TTFT_p99")
    ('\\rho_{P}', '\\mathrm{E}[S]', '\\mathrm{TTFT}_{\\mathrm{p99}}')
    """
    call = _CALL.match(symbol)
    if call:
        return rf"\mathrm{{{call[1]}}}[{latex_symbol(call[2])}]"
    base, _, below = symbol.partition("_")
    return _latex_word(base) + (f"_{{{_latex_word(below)}}}" if below else "")


def mathml_symbol(symbol: str) -> str:
    """Return a symbol in MathML.

    Examples
    --------
    >>> mathml_symbol("rho_P")
    '<msub><mi>ρ</mi><mi>P</mi></msub>'
    """
    call = _CALL.match(symbol)
    if call:
        inner = mathml_symbol(call[2])
        return f"<mrow><mi>{call[1]}</mi><mo>[</mo>{inner}<mo>]</mo></mrow>"
    base, _, below = symbol.partition("_")
    word = _mathml_word(base)
    return f"<msub>{word}{_mathml_word(below)}</msub>" if below else word


def _latex_word(word: str) -> str:
    if word in GREEK:
        return "\\" + word
    plain = word.replace("_", ",").replace("%", r"\%")
    return plain if len(word) == 1 else rf"\mathrm{{{plain}}}"


def _mathml_word(word: str) -> str:
    letter = GREEK.get(word)
    if letter is not None or len(word) == 1:
        return f"<mi>{escape(letter or word)}</mi>"
    return f'<mi mathvariant="normal">{escape(word.replace("_", ","))}</mi>'
