"""Where the time of a step goes, and which term dominates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pdplan.units import show


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Time of one step by cause [s]; the four add up to ``total_s``.

    Each operation counts under compute or under memory, whichever bounds it. ``overhead_s`` holds small
    kernels, launches not hidden behind the GPU, and the host's time between steps.
    """

    compute_s: Any
    memory_s: Any
    communication_s: Any
    overhead_s: Any

    @property
    def total_s(self) -> Any:
        """The step time [s]."""
        return self.compute_s + self.memory_s + self.communication_s + self.overhead_s

    @property
    def dominant(self) -> str:
        """The largest term: ``compute``, ``memory``, ``communication`` or ``overhead``."""
        return max(self._parts(), key=lambda part: part[1])[0]

    def _parts(self) -> tuple[tuple[str, float], ...]:
        return (
            ("compute", float(self.compute_s)),
            ("memory", float(self.memory_s)),
            ("communication", float(self.communication_s)),
            ("overhead", float(self.overhead_s)),
        )

    def __str__(self) -> str:
        """Read like a ledger.

        Examples
        --------
        >>> print(Breakdown(0.09, 0.004, 0.02, 0.001))
        115 ms: compute 90 ms (78%) + memory 4 ms (3%) + communication 20 ms (17%) + overhead 1 ms (1%)
        """
        total = float(self.total_s)
        parts = (f"{n} {show(x, 'time')} ({x / total:.0%})" for n, x in self._parts() if x > 0)
        return f"{show(total, 'time')}: " + " + ".join(parts)
