"""One quantity, ready to print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pdplan.symbolic.derivation import Kind
from pdplan.symbolic.wrapping import wrapped

#: Columns of the text.
WIDTH = 80


@dataclass(frozen=True, slots=True)
class Shown:
    """One quantity, ready to print: formula, numbers in it, value, source.

    ``latex`` is an ``aligned`` block without its ``$$``; ``mathml`` a ``<math>`` element.
    """

    name: str
    title: str
    kind: Kind
    formula: str
    substituted: str
    value: str
    latex: str
    mathml: str
    where: tuple[str, ...]
    method: str
    residual: float | None
    residual_of: str
    source: str
    trust: str

    def __str__(self) -> str:
        """Formula, numbers substituted, value: three lines under a title."""
        return self.text(WIDTH)

    def text(self, width: int) -> str:
        """Return the text, not wider than ``width`` where it can be broken."""
        lines = [f"{self.title}  ({self.name})"]
        if self.kind == "formula":
            lines += wrapped(self.formula, width, 2)
            for shown in (self.substituted, self.value):
                symbol, _, right = shown.partition(" = ")
                lines += wrapped(f"{' ' * len(symbol)} = {right}", width, 2)
        else:
            lines += [*(wrapped(self.formula, width, 2) if self.formula else ()), f"  {self.value}"]
        lines += [f"    {line}" for line in self.where]
        if self.method:
            lines += wrapped(self.method if self.kind == "given" else f"method: {self.method}", width, 2)
        if self.residual is not None:
            lines += wrapped(f"residual: {self.residual_text}", width, 2)
        lines += wrapped(
            f"trust: {self.trust}" + (f"; source: {self.source}" if self.source else ""), width, 2
        )
        return "\n".join(lines)

    @property
    def residual_text(self) -> str:
        """The residual as it is printed."""
        return f"{self.residual_of} = {self.residual:.2g}"

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "title": self.title,
            "kind": self.kind,
            "formula": self.formula,
            "substituted": self.substituted,
            "value": self.value,
            "latex": self.latex,
            "where": list(self.where),
            "method": self.method,
            "residual": None if self.residual is None else float(f"{self.residual:.3g}"),
            "residual_of": self.residual_of,
            "source": self.source,
            "trust": self.trust,
        }
