"""Split or not, for one class: both ledgers at the same objectives and the same latency model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pdplan.errors import InputError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.no_colocated import no_colocated
from pdplan.planner.result import Colocated, Fleet, Need
from pdplan.serving.economics import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Fleets whose prices differ by less cost the same [USD/h].
TIE_USD = 1e-9

Reason = Literal["split", "no_interference", "slow_link", "fleet_too_small", "infeasible", "undetermined"]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What splitting gains, per token, and what it costs, per request."""

    clean_step_s: float
    chunk_s: float
    colocated_itl_p99_s: float | None
    split_itl_p99_s: float
    prefill_s: float
    transfer_s: float
    visible_transfer_s: float
    payload_bytes: float
    verdict: Verdict

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        rows = {
            "clean_step_s": self.clean_step_s,
            "chunk_s": self.chunk_s,
            "itl_gain": self.verdict.itl_gain,
            "colocated_itl_p99_s": self.colocated_itl_p99_s,
            "split_itl_p99_s": self.split_itl_p99_s,
            "prefill_s": self.prefill_s,
            "transfer_s": self.transfer_s,
            "visible_transfer_s": self.visible_transfer_s,
            "ttft_penalty": self.verdict.ttft_penalty,
            "payload_bytes": self.payload_bytes,
            "link_factor_at_flip": self.verdict.crossover.link_factor,
        }
        return {k: None if v is None else float(f"{v:.10g}") for k, v in rows.items()} | {
            "reason": self.verdict.reason
        }


@dataclass(frozen=True, eq=False)
class ClassVerdict:
    """Split this class or keep it colocated; truthy iff it should be split.

    ``basis`` is the split fleet that was judged.
    """

    name: str
    reason: Reason
    why: str
    ledger: Ledger | None
    fleet: Fleet | None
    colocated: Colocated
    need: Need | None
    basis: Disaggregated | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        """Truthy iff splitting wins."""
        return self.reason == "split"

    @property
    def margin_usd_per_hour(self) -> tuple[float, float] | None:
        """What splitting saves, against the smallest and the largest colocated fleet [USD/h]."""
        if self.fleet is None or self.colocated.cost_low is None:
            return None
        split = self.fleet.cost.usd_per_hour
        high = self.colocated.cost or self.colocated.cost_low
        return self.colocated.cost_low.usd_per_hour - split, high.usd_per_hour - split

    @property
    def margin_s(self) -> dict[str, float]:
        """What splitting takes off each p99 at the two fleets shown (negative: adds), by metric [s].

        Percentiles of a colocated TPOT are a bracket: taken at its upper end, the law of single gaps.
        """
        if self.fleet is None or not self.colocated.classes:
            return {}
        split, other = self.fleet.classes[0], self.colocated.classes[0]
        pairs = {m: (getattr(other, m), getattr(split, m)) for m in ("ttft", "tpot", "itl")}
        return {m: a.quantile_s(0.99) - b.quantile_s(0.99) for m, (a, b) in pairs.items() if a and b}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw both ledgers (extra ``plot``) and return the axes.

        Raises
        ------
        InputError
            There are none: no split fleet was found.
        """
        if self.ledger is None:
            raise InputError(f"class {self.name} has no ledgers to draw: {self.why}")
        from pdplan.planner.plot_split import plot_ledger

        return plot_ledger(self.ledger, ax)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        margin = self.margin_usd_per_hour
        return {
            "class": self.name,
            "split": bool(self),
            "reason": self.reason,
            "why": self.why,
            "margin_usd_per_hour": None if margin is None else [float(f"{m:.10g}") for m in margin],
            "margin_p99_s": {m: float(f"{s:.10g}") for m, s in self.margin_s.items()},
            "ledger": None if self.ledger is None else self.ledger.document(),
            "split_fleet": None if self.fleet is None else self.fleet.label,
            "split_cost": None if self.fleet is None else self.fleet.cost.document(),
            "colocated": self.colocated.document(),
            "need": None if self.need is None else self.need.document(),
        }


def decide(
    fleet: Fleet | None, colocated: Colocated, ledger: Ledger | None, need: Need | None
) -> tuple[Reason, str]:
    """Weigh both fleets and both ledgers; the reasons are tested in a fixed order.

    1. no fleet of either kind: ``infeasible``; only a colocated one: ``slow_link`` or ``infeasible``;
    2. only the split fleet meets the objectives, or it costs less than the smallest colocated one: ``split``;
    3. it costs more than the largest: ``fleet_too_small`` where fractions of its instances would not, else
       ``no_interference`` or ``slow_link``;
    4. it lies between the two: ``undetermined`` until simulated.
    """
    if fleet is None:
        if colocated.count_low is None:
            return "infeasible", "neither a split nor a colocated fleet meets the objectives"
        if ledger is not None and ledger.verdict.reason == "slow_link":
            return "slow_link", "only a colocated fleet meets the objectives: the link is too slow"
        return "infeasible", "no split fleet meets the objectives, a colocated one does"
    split = fleet.cost.usd_per_hour
    if colocated.cost_low is None:
        return "split", no_colocated(colocated.why)
    low = colocated.cost_low.usd_per_hour
    if split < low - TIE_USD:
        return (
            "split",
            f"saves {low - split:.2f} USD/h or more ({1 - split / low:.0%}) at the same objectives",
        )
    if colocated.cost is None:
        return (
            "undetermined",
            f"costs {split:.2f} USD/h; colocated {low:.2f} at best, and it may not meet TPOT",
        )
    high = colocated.cost.usd_per_hour
    if split < high - TIE_USD:
        return "undetermined", f"costs {split:.2f} USD/h, between {low:.2f} and {high:.2f} colocated"
    whole = abs(split - high) > TIE_USD and need is not None and _fractional_usd(fleet, need) < high
    if whole and need is not None:  # before the rules of thumb: fractions of these instances would win
        return (
            "fleet_too_small",
            f"whole instances cost {split - high:.2f} USD/h more; {need.prefill:.2f} + {need.decode:.2f} "
            "instances would not",
        )
    if ledger is not None and ledger.verdict.reason != "split":
        return (
            ledger.verdict.reason,
            f"{_more(split - high)}, and {_first(str(ledger.verdict))}",
        )
    if abs(split - high) <= TIE_USD:
        return "split", "costs the same, with cleaner decode steps"
    return "no_interference", f"costs {split - high:.2f} USD/h more; the objectives tolerate the interference"


def _more(usd: float) -> str:
    return "costs the same" if abs(usd) < 0.005 else f"costs {usd:.2f} USD/h more"


def _fractional_usd(fleet: Fleet, need: Need) -> float:
    """Price of the fractional need [USD/h]."""
    prefill, decode = fleet.prefill, fleet.decode
    return (
        need.prefill * prefill.usd_per_hour / prefill.count + need.decode * decode.usd_per_hour / decode.count
    )


def _first(text: str) -> str:
    """Drop the opening words of a note, keep the reason."""
    return text.split(": ", 1)[-1]
