"""The result of a simulation: latencies with intervals, attainment, throughput, use of pools, a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction
from pdplan.errors import InputError, did_you_mean
from pdplan.sim import measured
from pdplan.sim.config import ColocatedConfig, PdConfig
from pdplan.sim.raw import REJECTED, TIMED_OUT, RawRun
from pdplan.sim.result_parts import Attainment, PoolUse, Statistic, Target, Throughput, observed
from pdplan.sim.result_service import attainment_of, mean_parts, throughput_of
from pdplan.sim.result_use import decode_use, full_share, prefill_use
from pdplan.sim.stability import Stability, stability
from pdplan.sim.statistics import mean_estimate, quantile_estimates, ratio_estimate
from pdplan.sim.watch import OnProgress
from pdplan.sim.window import FEWEST, Window
from pdplan.trust import Trust

Array = NDArray[np.float64]

#: Percentiles that are reported [-].
PERCENTILES = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class SimResult:
    """What a run says, after its warm-up.

    Parameters
    ----------
    raw : RawRun
        From `pdplan.sim.run`.
    config : PdConfig or ColocatedConfig, optional
        What was run: capacities, limits and overheads are read from it.
    class_names : sequence of str
        Names of the classes 0, 1, ... of the requests.
    targets : mapping, optional
        `Target` of a class by name, for its attainment; the name ``""`` is all requests.
    transient : bool
        The run is a replay or a start from empty, reported whole: no warm-up is cut and no interval is given,
        since one history has no steady state to be uncertain of. Nor is one of a run with a backlog.
    confidence : float
        Of each interval by itself [-].
    percentiles : sequence of float
        Reported in documents and text [-].

    Examples
    --------
    >>> from pdplan.latency import DecodeFit, Fitted, PrefillFit
    >>> from pdplan.sim.config import DecodePool, PrefillPool
    >>> from pdplan.sim.run import run_pd
    >>> from pdplan.sim.stream import Stream
    >>> model = Fitted(PrefillFit(0.01, 1e-4), (DecodeFit(0.02, 0.001),), (1, 1e5), (1, 256), "example")
    >>> config = PdConfig(PrefillPool(1, model), DecodePool(1, model))
    >>> run = run_pd(config, Stream.of([0.0, 1.0], [1000, 1000], [5, 1]))
    >>> result = SimResult(run, config, transient=True)
    >>> round(result.statistic("ttft").value, 6), result.attainment(Target(ttft_s=0.2)).joint.value
    (0.131, 1.0)
    """

    raw: RawRun = field(repr=False)
    config: PdConfig | ColocatedConfig | None = None
    class_names: Sequence[str] = ()
    targets: Mapping[str, Target] = field(default_factory=dict)
    transient: bool = False
    confidence: float = 0.99
    percentiles: Sequence[float] = PERCENTILES
    trust: Trust = field(default=Trust.SIMULATED, init=False)
    _known: dict[tuple[str, tuple[float, ...], str | None], tuple[Statistic, ...]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        """Check the values."""
        require_fraction("confidence", self.confidence, open_low=True, open_high=True)
        for name in self.targets:
            if name:
                self.class_number(name)

    # -- what is measured

    def class_number(self, name: str) -> int:
        """Number of a class.

        Raises
        ------
        InputError
            No class has that name.
        """
        if name not in self.class_names:
            known = ", ".join(self.class_names) or "none"
            raise InputError(
                f"class {name!r} is not in this run: {known}{did_you_mean(name, self.class_names)}"
            )
        return list(self.class_names).index(name)

    @cached_property
    def window(self) -> Window:
        """The part of the run that is measured."""
        return Window(self.raw, self.transient)

    def chosen(self, class_name: str | None = None) -> NDArray[np.bool_]:
        """Which requests count: those that arrived after the warm-up, of one class or of all."""
        which = self.raw.arrival_s >= self.window.from_s
        if class_name is not None:
            which &= self.raw.class_id == self.class_number(class_name)
        return np.asarray(which)

    def values(self, quantity: str, class_name: str | None = None) -> Array:
        """Return a quantity of all requests that count and have it, in order of arrival [s].

        ``quantity``: ttft, tpot, itl_worst, e2e, queue, prefill, transfer, admission.
        """
        measured.require_quantity(quantity)
        if quantity == "itl":
            raise InputError("gaps are not kept one by one: ask for statistic('itl', p)")
        which = self.window.in_order(self.chosen(class_name) & measured.defined(self.raw, quantity))
        return measured.quantity_values(self.raw, quantity, which)

    # -- latencies

    def statistic(self, quantity: str, p: float | None = None, class_name: str | None = None) -> Statistic:
        """Return the mean of a quantity, or its p-quantile, with an interval [s].

        Parameters
        ----------
        quantity : str
            As for `values`, or ``itl``: gaps between tokens, weighted by their number. Their quantiles are
            known for all classes together, without interval: take several runs for one
            (`pdplan.sim.statistics.replication_estimate`).
        p : float, optional
            Which quantile [-]; the mean without it.
        class_name : str, optional
            One class; all requests without it.
        """
        if p is not None:
            return self.quantiles(quantity, (p,), class_name)[0]
        measured.require_quantity(quantity)
        key = (quantity, (), class_name)
        if key not in self._known:
            self._known[key] = (self._mean(quantity, class_name),)
        return self._known[key][0]

    def _mean(self, quantity: str, class_name: str | None) -> Statistic:
        if quantity == "itl":
            return self._mean_gap(class_name)
        values = self.values(quantity, class_name)
        if values.size == 0:
            return Statistic(None)
        if self.bare or values.size < FEWEST:
            return Statistic(float(values.mean()))
        return observed(mean_estimate(values), self.confidence)

    def quantiles(
        self, quantity: str, ps: Sequence[float], class_name: str | None = None
    ) -> tuple[Statistic, ...]:
        """Return several quantiles of a quantity with intervals [s]."""
        measured.require_quantity(quantity)
        for p in ps:
            require_fraction("p", p, open_low=True, open_high=True)
        key = (quantity, tuple(ps), class_name)
        if key not in self._known:
            self._known[key] = self._quantiles(quantity, ps, class_name)
        return self._known[key]

    def _quantiles(self, quantity: str, ps: Sequence[float], class_name: str | None) -> tuple[Statistic, ...]:
        if quantity == "itl":
            alone = class_name is None or bool((self.raw.class_id == self.class_number(class_name)).all())
            return tuple(Statistic(measured.gap_quantile_s(self.raw, p) if alone else None) for p in ps)
        values = self.values(quantity, class_name)
        if values.size == 0:
            return tuple(Statistic(None) for _ in ps)
        if self.bare or values.size < FEWEST:
            return tuple(Statistic(float(q)) for q in np.quantile(values, list(ps)))
        return tuple(observed(q, self.confidence) for q in quantile_estimates(values, ps))

    def breakdown(self, class_name: str | None = None) -> dict[str, float]:
        """Return the mean parts of TTFT [s]: overhead, queue, prefill, transfer, admission, first step.

        They add up to the mean TTFT. Where prefill emits the first token, transfer and admission come after
        it: they are given with the others and lie in TPOT instead.
        """
        return mean_parts(self, class_name)

    def attainment(self, target: Target | Sequence[Target], class_name: str | None = None) -> Attainment:
        """Return the shares of requests that meet a target, or that of their class, marginal and joint.

        ``target``: one for all requests, or one for each class number 0, 1, ...
        """
        return attainment_of(self, target, class_name)

    @cached_property
    def throughput(self) -> Throughput:
        """Completed between the warm-up and the last arrival; of a transient, over all of its time."""
        return throughput_of(self)

    # -- pools and verdict

    @cached_property
    def prefill(self) -> PoolUse | None:
        """Use of the prefill pool and its egress links; None of a colocated fleet."""
        return prefill_use(self.raw, self.config)

    @cached_property
    def decode(self) -> PoolUse:
        """Use of the decode pool, or of the colocated fleet."""
        return decode_use(self.raw, self.config)

    @cached_property
    def stability(self) -> Stability:
        """Steady, saturated or backlogged."""
        busy = max(self.prefill.busy) if self.prefill is not None else 0.0
        return stability(self.raw, prefill_busy=busy, batch_full=full_share(self.raw, self.config))

    @property
    def lost(self) -> dict[str, int]:
        """Requests that were rejected, and that lost patience."""
        return {
            "rejected": int((self.raw.status == REJECTED).sum()),
            "timed_out": int((self.raw.status == TIMED_OUT).sum()),
        }

    # -- out

    def document(self) -> dict[str, Any]:
        """JSON-ready; a number that does not exist is null."""
        from pdplan.sim.result_text import result_document

        return result_document(self)

    def __str__(self) -> str:
        """An engineer's note."""
        from pdplan.sim.result_text import result_text

        return result_text(self)

    def to_csv(self, path: str | Path, *, on_progress: OnProgress | None = None) -> Path:
        """Write one line for each request."""
        from pdplan.sim.result_files import write_csv

        return write_csv(self, Path(path), on_progress=on_progress)

    def to_json(self, path: str | Path) -> Path:
        """Write the document."""
        from pdplan.sim.result_files import write_json

        return write_json(self, Path(path))

    def to_parquet(self, path: str | Path, *, on_progress: OnProgress | None = None) -> Path:
        """Write one row for each request; needs the extra ``parquet``."""
        from pdplan.sim.result_files import write_parquet

        return write_parquet(self, Path(path), on_progress=on_progress)

    # -- inside

    @property
    def bare(self) -> bool:
        """Whether intervals are left out: a transient, or a backlog, whose numbers grow with the run."""
        return self.transient or self.stability.regime == "backlogged"

    @property
    def first_token_from_prefill(self) -> bool:
        """Whether the first token does not come from decode."""
        if isinstance(self.config, PdConfig):
            return self.config.first_token_from == "prefill"
        return isinstance(self.config, ColocatedConfig)

    def _mean_gap(self, class_name: str | None) -> Statistic:
        which = self.window.in_order(self.chosen(class_name) & measured.defined(self.raw, "itl"))
        per_step = 1.0
        if isinstance(self.config, PdConfig):
            per_step = self.config.decode.tokens_per_step
        elif self.config is not None:
            per_step = self.config.tokens_per_step
        total, gaps = measured.gap_sums(self.raw, which, per_step, int(self.first_token_from_prefill))
        if not gaps.sum() > 0:
            return Statistic(None)
        if self.bare or which.size < FEWEST:
            return Statistic(float(total.sum() / gaps.sum()))
        return observed(ratio_estimate(total, gaps), self.confidence)
