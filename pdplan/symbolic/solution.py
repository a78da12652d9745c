"""What `solve` answers: the value of a symbol at which a quantity is what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pdplan.symbolic.wrapping import wrapped


@dataclass(frozen=True, slots=True)
class Solution:
    """One symbol solved for.

    ``inverse`` and ``substituted`` are empty where there is no closed form; ``equation`` then says what was
    solved. ``check`` is the quantity with the answer put back.
    """

    quantity: str
    symbol: str
    asked: str
    value: float
    unit: str
    answer: str
    method: str
    equation: str
    inverse: str
    substituted: str
    latex: str
    where: tuple[str, ...]
    check: str
    residual: float
    notes: tuple[str, ...] = ()

    def text(self, width: int) -> str:
        """Return the text, not wider than ``width`` where it can be broken."""
        lines = wrapped(f"{self.quantity} = {self.asked}, solved for {self.symbol}", width, 0)
        lines += wrapped(self.equation, width, 2)
        if self.inverse:
            lines += wrapped(self.inverse, width, 2) + wrapped(self.substituted, width, 2)
        lines += wrapped(self.answer, width, 2)
        lines += [f"    {line}" for line in self.where]
        lines += wrapped(f"method: {self.method}", width, 2)
        lines += wrapped(f"check: {self.check}", width, 2)
        for note in self.notes:
            lines += wrapped(f"note: {note}", width, 2)
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return the text, 80 columns wide."""
        return self.text(80)

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "schema": "pdplan.solve/1",
            "quantity": self.quantity,
            "for": self.symbol,
            "asked": self.asked,
            "value": float(f"{self.value:.10g}"),
            "unit": self.unit,
            "method": self.method,
            "equation": self.equation,
            "inverse": self.inverse,
            "substituted": self.substituted,
            "latex": self.latex,
            "where": list(self.where),
            "check": self.check,
            "residual": float(f"{self.residual:.3g}"),
            "notes": list(self.notes),
        }
