"""What stands around a plan, from evaluations cheap enough for its text: five lines, each with a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pdplan.errors import InfeasibleError, InputError
from pdplan.planner.doubt_answer import Probability
from pdplan.planner.doubt_report import SAMPLES, chance_of
from pdplan.planner.headroom import FleetBreakEven, Headroom, moved
from pdplan.planner.runner_up import RunnerUp
from pdplan.planner.sensitivity_inputs import LEVERS, SWING
from pdplan.planner.sensitivity_latencies import latencies
from pdplan.planner.spares_count import JointSpares, joint_spares_of

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Swing:
    """The latency that moves most when one input is 10% more, of any class.

    ``after`` is None where the fleet is overloaded then [s].
    """

    words: str
    class_name: str
    metric: str
    before_s: float
    after_s: float | None

    @property
    def change(self) -> float:
        """Relative change [-]."""
        return float("inf") if self.after_s is None else abs(self.after_s / self.before_s - 1.0)


@dataclass(frozen=True, slots=True)
class Outlook:
    """The five things worth a line beside a plan; a text says why one is not there.

    ``chance`` is that of `Plan.doubt`, ``spares`` are those of `Plan.spares`; ``nearest`` is the break-even
    of the fleet, not of the verdict. ``nearest`` is None where nothing within a factor of 16 breaks it.
    """

    runner_up: RunnerUp | None
    nearest: FleetBreakEven | str | None
    swing: Swing | str
    chance: Probability | str
    samples: int
    spares: JointSpares | str


def outlook(plan: Plan) -> Outlook:
    """Look around a plan.

    Examples
    --------
    >>> from pdplan.planner.sizing import size
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> seen = outlook(size(builtin_scenario()))
    >>> seen.nearest.breaks.split(" would")[0], seen.swing.words, seen.spares.prefill
    ('chat: ttft p99 <= 2 s', 'prefill step time', 0)
    """
    chosen = plan.basis.chosen
    return Outlook(
        plan.runner_up,
        _or_why(lambda: _nearest(chosen)),
        _or_why(lambda: largest_swing(chosen)),
        _or_why(lambda: chance_of(chosen)),
        SAMPLES,
        _or_why(lambda: joint_spares_of(plan.scenario, chosen)),
    )


def _or_why(answer: Callable[[], T]) -> T | str:
    """Return an answer, or in words why there is none."""
    try:
        return answer()
    except (InfeasibleError, InputError) as error:
        return str(error)


def _nearest(chosen: Any) -> FleetBreakEven | str | None:
    room = Headroom(chosen)
    if not room.fits():
        return "by formulas the fleet misses an objective as it is; in simulation it holds"
    return room.nearest()


def largest_swing(chosen: Any) -> Swing:
    """Return the latency that moves most at 10% more of any input: p99 of TTFT, or the mean TPOT."""
    now = latencies(chosen)
    if now is None:
        raise InfeasibleError("the fleet is overloaded as it is")
    rows = []
    for lever in LEVERS:
        if not lever.served:
            continue
        then = latencies(moved(chosen, lever, 1.0 + SWING))
        for index, traffic in enumerate(chosen.problem.traffic):
            for metric in ("ttft_p99", "tpot_mean"):
                if metric in now[index]:
                    after = None if then is None else then[index][metric]
                    rows.append(Swing(lever.words, traffic.name, metric, now[index][metric], after))
    return max(rows, key=lambda row: row.change)
