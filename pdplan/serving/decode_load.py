"""How loaded a decode instance is, before any law: cap, steps asked for, utilisation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pdplan.checks import require_positive
from pdplan.errors import InfeasibleError, UnstableError
from pdplan.serving.decode_step import StepTime
from pdplan.serving.decode_work import DecodeWork


@dataclass(frozen=True, eq=False)
class DecodeLoad:
    """Requests sent to one instance against what it can do.

    Parameters
    ----------
    arrival_rate, work, step, max_batch, kv_capacity_tokens
        As in `pdplan.serving.decode.StationaryBatch`.

    Raises
    ------
    UnstableError
        Utilisation of 1 or more.
    InfeasibleError
        The KV room holds less than one request.

    Examples
    --------
    >>> from pdplan.serving.decode_step import AffineStep
    >>> load = DecodeLoad(10.0, DecodeWork.equal(200.0), AffineStep(0.01, 1e-4), 100)
    >>> load.utilization, load.max_rate
    (0.4, 25.0)
    """

    arrival_rate: float
    work: DecodeWork
    step: StepTime
    max_batch: int | None = None
    kv_capacity_tokens: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        require_positive("arrival_rate", self.arrival_rate, "1/s")
        if self.max_batch is not None:
            require_positive("max_batch", self.max_batch)
        if self.kv_capacity_tokens is not None:
            require_positive("kv_capacity_tokens", self.kv_capacity_tokens, "tok")
            if self.kv_capacity_tokens < self.work.mean_reserved:
                raise InfeasibleError(
                    f"KV capacity is {self.kv_capacity_tokens:g} tokens and one request needs "
                    f"{self.work.mean_reserved:g} on average: use more memory, more TP or a smaller KV dtype"
                )
        if not self.utilization < 1:
            raise UnstableError(
                f"the decode instance is offered {self.utilization:.4g} of its capacity: "
                f"lower its rate below {self.max_rate:.4g} req/s, or add instances"
            )

    @cached_property
    def cap(self) -> int | None:
        """Largest batch: the engine's, or what fits into KV if that is less [-]."""
        limits = [] if self.max_batch is None else [int(self.max_batch)]
        if self.kv_capacity_tokens is not None:
            limits.append(int(self.kv_capacity_tokens / self.work.mean_reserved))
        return min(limits, default=None)

    @cached_property
    def decode_rate(self) -> float:
        """Requests that need decode [1/s]."""
        return self.arrival_rate * self.work.decode_share

    @cached_property
    def steps_per_s(self) -> float:
        """Steps of single requests asked per second, lam G [1/s]."""
        return self.decode_rate * self.work.mean_steps

    @cached_property
    def utilization(self) -> float:
        """Offered over possible: lam G t(B)/B, or lam G times the slope of t when nothing caps it [-]."""
        n = float(self.cap) if self.cap is not None else 1e9
        return self.steps_per_s * float(self.step.at(np.array([n]))[0]) / n

    @property
    def max_rate(self) -> float:
        """Arrival rate at which the instance is full [1/s]."""
        return self.arrival_rate / self.utilization
