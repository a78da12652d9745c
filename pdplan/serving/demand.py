"""What a station is asked to serve: classes of requests, each a rate and a joint law of lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive
from pdplan.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassDemand:
    """Requests of one class: Poisson arrivals and lengths drawn from weighted atoms.

    Parameters
    ----------
    name : str
        The class.
    arrival_rate : float
        Requests per second [1/s], > 0.
    prompt_tokens, output_tokens : array, shape (n,)
        Atom i has this many prompt tokens and output tokens [tok]; output_tokens >= 1.
    weight : array, shape (n,)
        Probability of atom i [-], summing to 1.
    cached_tokens : array, shape (n,), optional
        Prompt tokens found in the prefix cache of prefill [tok], at most the prompt. Default none.

    Raises
    ------
    InputError
        Shapes that differ, weights that do not sum to 1, lengths out of range.

    Examples
    --------
    >>> d = ClassDemand("chat", 8.0, np.array([100.0, 300.0]), np.array([10.0, 30.0]), np.array([0.5, 0.5]))
    >>> d.mean_prompt_tokens, d.mean_output_tokens, d.mean(d.prompt_tokens * d.output_tokens)
    (200.0, 20.0, 5000.0)
    """

    name: str
    arrival_rate: float
    prompt_tokens: Array
    output_tokens: Array
    weight: Array
    cached_tokens: Array | None = None

    def __post_init__(self) -> None:
        """Check the atoms once, so that formulas need not."""
        require_positive("arrival_rate", self.arrival_rate, "1/s")
        require_positive("prompt_tokens", self.prompt_tokens, "tok", zero_ok=True)
        require_positive("output_tokens", self.output_tokens, "tok")
        require_positive("weight", self.weight, zero_ok=True)
        if not self.prompt_tokens.shape == self.output_tokens.shape == self.weight.shape:
            raise InputError(f"class {self.name}: prompt, output and weight arrays differ in shape")
        if abs(float(self.weight.sum()) - 1.0) > 1e-9:
            raise InputError(f"class {self.name}: weights sum to {self.weight.sum():.6g}, they must sum to 1")

    def mean(self, values: Array) -> float:
        """Mean of a function of the lengths, given at the atoms."""
        return float(self.weight @ values)

    @property
    def cached(self) -> Array:
        """Cached prompt tokens at each atom [tok], zeros without prefix hits."""
        return np.zeros_like(self.prompt_tokens) if self.cached_tokens is None else self.cached_tokens

    @property
    def mean_prompt_tokens(self) -> float:
        """E L_in [tok]."""
        return self.mean(self.prompt_tokens)

    @property
    def mean_output_tokens(self) -> float:
        """E L_out [tok]."""
        return self.mean(self.output_tokens)


def total_rate(demands: Sequence[ClassDemand]) -> float:
    """Requests per second of all classes together [1/s]."""
    return sum(d.arrival_rate for d in demands)


def pooled(demands: Sequence[ClassDemand]) -> ClassDemand:
    """Return the mix of all classes as one class, each atom weighted by its class's share of requests.

    Examples
    --------
    >>> a = ClassDemand("a", 1.0, np.array([100.0]), np.array([10.0]), np.array([1.0]))
    >>> b = ClassDemand("b", 3.0, np.array([500.0]), np.array([50.0]), np.array([1.0]))
    >>> m = pooled([a, b])
    >>> m.arrival_rate, m.mean_prompt_tokens
    (4.0, 400.0)
    """
    if not demands:
        raise InputError("no classes: a station needs at least one")
    rate = total_rate(demands)
    return ClassDemand(
        "+".join(d.name for d in demands),
        rate,
        np.concatenate([d.prompt_tokens for d in demands]),
        np.concatenate([d.output_tokens for d in demands]),
        np.concatenate([d.weight * (d.arrival_rate / rate) for d in demands]),
        np.concatenate([d.cached for d in demands]),
    )
