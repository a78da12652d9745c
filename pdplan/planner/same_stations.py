"""Pools whose queue or batch was solved before, in a problem that does not touch it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pdplan.planner.stations import DecodeSide, PrefillSide, TpotLaw
from pdplan.serving.decode import StationaryBatch
from pdplan.serving.delays import Delay
from pdplan.serving.prefill_station import PrefillStation


@dataclass(frozen=True, eq=False)
class SamePrefill(PrefillSide):
    """A pool whose queue was solved in another problem with the same traffic and instances."""

    solved: PrefillSide | None = None

    @cached_property
    def station(self) -> PrefillStation:
        """As solved."""
        assert self.solved is not None
        return self.solved.station

    @cached_property
    def waits(self) -> dict[str, Delay]:
        """As solved."""
        assert self.solved is not None
        return self.solved.waits


@dataclass(frozen=True, eq=False)
class SameDecode(DecodeSide):
    """A pool whose batch was solved in another problem with the same traffic and instances."""

    solved: DecodeSide | None = None

    @cached_property
    def law(self) -> StationaryBatch:
        """As solved."""
        assert self.solved is not None
        return self.solved.law

    @cached_property
    def _tpot_laws(self) -> dict[str, TpotLaw]:
        assert self.solved is not None
        return self.solved._tpot_laws


def same_prefill(solved: PrefillSide, side: PrefillSide) -> SamePrefill:
    """Return a pool with the queue of one that sees the same prompts at the same pace."""
    return SamePrefill(side.problem, side.option, side.count, solved=solved)


def same_decode(solved: DecodeSide, side: DecodeSide) -> SameDecode:
    """Return a pool with the batch of one that sees the same requests at the same pace."""
    return SameDecode(side.problem, side.option, side.count, solved=solved)
