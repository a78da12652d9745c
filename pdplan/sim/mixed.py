"""Mixed fleets: some requests go to colocated instances, the others are split. Two runs of one stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError
from pdplan.sim.config import ColocatedConfig, PdConfig, Recording
from pdplan.sim.raw import RawRun
from pdplan.sim.run import run_colocated, run_pd
from pdplan.sim.stream import Array, Stream


@dataclass(frozen=True, slots=True)
class Rule:
    """Which requests go to colocated instances: these classes, and prompts of at most so many tokens."""

    classes: tuple[int, ...] = ()
    longest_prompt_tokens: int = 0

    def chosen(self, requests: Stream) -> NDArray[np.bool_]:
        """Return the requests that the rule sends to colocated instances."""
        short = requests.prompt_tokens <= self.longest_prompt_tokens
        if not self.classes:
            return np.asarray(short)
        if requests.class_id is None:
            raise InputError("the rule names classes and the requests have none: give class_id")
        return np.asarray(short | np.isin(requests.class_id, self.classes))


@dataclass(frozen=True, eq=False, slots=True)
class MixedRun:
    """The two runs (None: no request went there) and which requests were colocated."""

    split: RawRun | None
    colocated: RawRun | None
    is_colocated: NDArray[np.bool_]

    def values(self, name: str) -> Any:
        """Return one array of `RawRun` over all requests, in the order given."""
        runs = ((self.split, ~self.is_colocated), (self.colocated, self.is_colocated))
        parts: list[tuple[Array, NDArray[np.bool_]]] = [
            (getattr(run, name), where) for run, where in runs if run is not None
        ]
        whole = np.empty(self.is_colocated.size, dtype=parts[0][0].dtype)
        for values, where in parts:
            whole[where] = values
        return whole


def run_mixed(
    split: PdConfig,
    colocated: ColocatedConfig,
    requests: Stream,
    rule: Rule,
    *,
    seed: int = 0,
    recording: Recording | None = None,
    stepwise: bool = False,
) -> MixedRun:
    """Send each request to the fleet that the rule names, and simulate both.

    Raises
    ------
    InputError
        A closed loop: its users would have to pass from one fleet to the other.

    Examples
    --------
    >>> Rule(longest_prompt_tokens=500).chosen(Stream.of([0.0, 1.0], [100, 900], [5, 5])).tolist()
    [True, False]
    """
    if requests.users:
        raise InputError("a closed loop over a mixed fleet is not modelled: give an open stream")
    chosen = rule.chosen(requests)
    apart = {"seed": seed, "recording": recording, "stepwise": stepwise}
    return MixedRun(
        None if chosen.all() else run_pd(split, requests.take(~chosen), **apart),  # type: ignore[arg-type]
        run_colocated(colocated, requests.take(chosen), **apart) if chosen.any() else None,  # type: ignore[arg-type]
        chosen,
    )
