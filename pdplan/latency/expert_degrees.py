"""Degrees of parallelism of one instance, attention ranks and expert parallelism among them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Degrees:
    """Degrees of parallelism of one instance [-]."""

    tp: int
    pp: int = 1
    dp_attention: int = 1
    ep: int = 1

    @property
    def gpus(self) -> int:
        """GPUs of the instance: each attention rank has its own."""
        return self.tp * self.pp * self.dp_attention

    def __str__(self) -> str:
        """Name what is above 1, and TP where no attention ranks stand in its place.

        Examples
        --------
        >>> print(Degrees(4), Degrees(4, 2), Degrees(1, 1, 8, 8), Degrees(2, 1, 8, 16), sep=", ")
        TP4, TP4 PP2, DP8 EP8, TP2 DP8 EP16
        """
        named = (("PP", self.pp), ("DP", self.dp_attention), ("EP", self.ep))
        first = () if self.tp == 1 and self.dp_attention > 1 else (f"TP{self.tp}",)
        return " ".join((*first, *(f"{name}{degree}" for name, degree in named if degree > 1)))
