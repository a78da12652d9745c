"""What every marginal law of token counts can answer."""

from __future__ import annotations

from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError

Array = NDArray[np.float64]

#: Longest length taken [tok]: far above any context window; above it a value is a slip of the unit.
MAX_TOKENS: Final = 1e8
#: Shortest length taken [tok]: a request has at least one prompt token and one output token.
MIN_TOKENS: Final = 1.0


@runtime_checkable
class LengthLaw(Protocol):
    """The law of one token count X (prompt or output).

    Laws are described by their quantile function q(u) = inf {x : P(X <= x) >= u} and by its partial moments,
    from which `pdplan.workload.strata` makes weighted atoms.
    """

    @property
    def mean(self) -> float:
        """E X [tok]."""
        ...

    @property
    def scv(self) -> float:
        """Squared coefficient of variation, Var X / (E X)^2 [-]."""
        ...

    def quantile(self, p: Any) -> Any:
        """The p-quantile [tok]; p a float or array in [0, 1] ([0, 1) where the law has no largest value)."""
        ...

    def partial_moments(self, u: Array) -> Array:
        """Rows k = 1, 2, 3: integral of q(v)^k over v from 0 to u [tok^k]; shape (3, len(u))."""
        ...


def require_tokens(what: str, value: float) -> float:
    """Return ``value`` if it can be a token count (1 to 1e8), else raise one clear line.

    Examples
    --------
    >>> require_tokens("prompt_tokens", 2048)
    2048.0
    >>> require_tokens("prompt_tokens", 0)
    Traceback (most recent call last):
    pdplan.errors.InputError: prompt_tokens is 0 tok: it must lie between 1 and 1e+08
    """
    number = float(value)
    if not MIN_TOKENS <= number <= MAX_TOKENS:
        raise InputError(f"{what} is {number:g} tok: it must lie between {MIN_TOKENS:g} and {MAX_TOKENS:g}")
    return number
