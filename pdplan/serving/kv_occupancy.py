"""KV tokens in use by a random number of requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pdplan.checks import require_fraction, require_positive
from pdplan.serving.gamma_law import gamma_quantile, gamma_sf
from pdplan.trust import Trust


@dataclass(frozen=True, slots=True)
class KvOccupancy:
    """Sum of the contexts of N running requests, by its first two moments and a gamma law.

    Mean E N E kv; variance E N Var kv + Var N (E kv)^2 (compound sum). The gamma p99 is within 1% of
    simulation for prompts of SCV up to 1 (the normal one is 5% low), 2 to 8% low for SCV 3.

    Parameters
    ----------
    mean_tokens : float
        [tok].
    var_tokens : float
        [tok^2].

    Examples
    --------
    >>> kv = KvOccupancy(1000.0, 25000.0)
    >>> round(float(kv.quantile(0.99)))
    1404
    """

    mean_tokens: float
    var_tokens: float

    def __post_init__(self) -> None:
        """Check the moments once."""
        require_positive("mean_tokens", self.mean_tokens, "tok", zero_ok=True)
        require_positive("var_tokens", self.var_tokens, "tok^2", zero_ok=True)

    @property
    def trust(self) -> Trust:
        """Two moments and a gamma law."""
        return Trust.APPROXIMATE

    @property
    def _shape(self) -> float:
        return self.mean_tokens**2 / self.var_tokens

    def sf(self, tokens: Any) -> Any:
        """P(in use > tokens)."""
        x = np.asarray(tokens, dtype=float)
        if self.var_tokens == 0:
            return np.where(x < self.mean_tokens, 1.0, 0.0)
        return gamma_sf(self._shape, x * self._shape / self.mean_tokens)

    def quantile(self, p: Any) -> Any:
        """p-quantile [tok]."""
        require_fraction("p", p, open_high=True)
        if self.var_tokens == 0:
            return np.full_like(np.asarray(p, dtype=float), self.mean_tokens)
        return gamma_quantile(self._shape, p) * self.mean_tokens / self._shape
