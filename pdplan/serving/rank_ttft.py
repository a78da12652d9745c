"""Time from arrival to the end of prefill at an attention rank, from the chain of `rank_chain`.

An arrival meets a step and waits for its end. Then come full steps for what is ahead of it at its rank, and a
last one that ends its own prompt. Every step lasts as long as the slowest rank's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdplan.serving.chain_ttft import uniform_rows
from pdplan.serving.rank_arrivals import transforms
from pdplan.serving.rank_chain import RankChain
from pdplan.serving.rank_pieces import Levels

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

#: Points of the lattice of times, and of the time since a step began when an arrival meets it.
_POINTS, _MOMENTS = 512, 4
#: Steps met are gathered into so many groups of nearly equal duration.
_GROUPS = 8


@dataclass(frozen=True, eq=False)
class RankFinish:
    """That time: a law for prompts of mean length, and means for every length.

    Parameters
    ----------
    chain : RankChain
    mean_tokens : float
        Mean of the uncached prompt tokens [tok].
    """

    chain: RankChain
    mean_tokens: float

    @cached_property
    def _met(self) -> tuple[Array, Array, float]:
        """Steps met: by level below the budget and with a full rank; share of idle."""
        met, idle = self.chain.met
        return met[:-1].sum(axis=0), met[-1], idle

    @cached_property
    def ahead(self) -> Array:
        """P(units ahead of an arrival), by level met, where ranks left nothing, then where full [-].

        They came before it in the step it meets, or were left over by that.
        """
        chain = self.chain
        size, m = chain.pmf.size, chain.levels.at_units.size - 1
        phi = np.fft.rfft(chain.prompt_pmf, 2 * size)
        moments = (np.arange(_MOMENTS) + 0.5) / _MOMENTS
        rate = chain.arrival_rate * chain.levels.duration_s
        came = sum(transforms(phi, rate * u, chain.lanes) for u in moments) / _MOMENTS
        came = came * transforms(phi, chain.arrival_rate * chain.behind_s, chain.lanes)
        left = np.zeros(size)
        left[: size - m] = chain.pmf[m:]
        both = np.concatenate([came, came * np.fft.rfft(left / max(left.sum(), 1e-300), 2 * size)])
        return np.asarray(np.maximum(np.fft.irfft(both, 2 * size, axis=1)[:, :size], 0.0))

    @cached_property
    def _weights(self) -> Array:
        """P(step met) by the rows of `ahead` [-]."""
        below, full, _ = self._met
        return np.concatenate([below, full])

    @cached_property
    def _groups(self) -> tuple[NDArray[np.int64], list[Levels]]:
        """Levels met, gathered by duration, and levels of the step after one of each group.

        A long step lets much arrive at every rank, so that the next one is long too.
        """
        chain, levels = self.chain, self.chain.levels
        weight = self._weights.reshape(2, -1).sum(axis=0)
        share = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
        group = np.minimum((share * _GROUPS).astype(np.int64), _GROUPS - 1)
        size, m = chain.pmf.size, levels.at_units.size - 1
        left = np.append(chain.pmf[: m + 1].sum(), chain.pmf[m + 1 :])
        total = np.maximum(np.bincount(group, weight, _GROUPS), 1e-300)
        mean = np.bincount(group, weight * levels.duration_s, _GROUPS) / total
        phi = np.fft.rfft(chain.prompt_pmf, 2 * size)
        came = transforms(phi, chain.arrival_rate * mean, chain.lanes) * np.fft.rfft(left, 2 * size)
        laws = np.maximum(np.fft.irfft(came, 2 * size, axis=1)[:, :size], 0.0)
        carried = np.column_stack([laws[:, :m], 1.0 - laws[:, :m].sum(axis=1)])
        return group, [chain.after(np.maximum(c, 0.0) / np.maximum(c, 0.0).sum()) for c in carried]

    def _later(self, met: int) -> tuple[Array, Array]:
        """P(level of a later step) by the units of one's rank, and durations [s], after a level met.

        A long prompt that was the slowest still is, with the chance `Levels.stays`; else levels are new.
        """
        levels, (group, after) = self.chain.levels, self._groups
        new = after[group[met]]
        stays = float(levels.stays[met])
        if stays == 0:
            return new.chance, new.duration_s
        duration = float(levels.duration_s[met])
        at = min(int(np.searchsorted(new.duration_s, duration)), new.duration_s.size - 1)
        held = new.chance.copy()
        held[:, at] = held[:, : at + 1].sum(axis=1)
        held[:, :at] = 0.0
        return stays * held + (1.0 - stays) * new.chance, new.duration_s

    @cached_property
    def _kinds(self) -> list[tuple[NDArray[np.int64], int]]:
        """Levels met that are alike in what follows, and the one of each that stands for them."""
        levels, (group, _) = self.chain.levels, self._groups
        weight = self._weights.reshape(2, -1).sum(axis=0)
        kind = 2 * group + (levels.stays > 0)
        kinds = []
        for each in np.unique(kind).tolist():
            members = np.flatnonzero(kind == each)
            share = np.maximum(weight[members], 1e-300)
            middle = float(share @ levels.duration_s[members]) / float(share.sum())
            at = int(np.argmin(np.abs(levels.duration_s[members] - middle)))
            kinds.append((members, int(members[at])))
        return kinds

    @cached_property
    def _own_mean_s(self) -> Array:
        """Mean later step by the level met, then the units of one's rank [s]."""
        levels = self.chain.levels
        means = np.empty((levels.duration_s.size, levels.at_units.size))
        for members, one in self._kinds:
            chance, duration = self._later(one)
            means[members] = chance @ duration
        return means

    @cached_property
    def _behind_per_s(self) -> float:
        """Units that arrive at a rank [1/s]."""
        return self.chain.arrival_rate * float(self.chain.prompt_pmf @ np.arange(self.chain.pmf.size))

    def mean_s(self, units: Array) -> Array:
        """Mean time by one's own units, given that the instance is busy, without one's own long attention."""
        levels = self.chain.levels
        kinds, m = levels.duration_s.size, levels.at_units.size - 1
        ahead = (self._weights[:, None] * self.ahead).reshape(2, kinds, -1).sum(axis=0)
        met = ahead.sum(axis=1)
        # one row for each place in the backlog: what the level met means for later steps, at its mean
        at = np.maximum(ahead.sum(axis=0), 1e-300)
        full_s = (self._own_mean_s[:, -1] @ ahead) / at
        residual = float(met @ levels.duration_s) / 2 / float(met.sum())
        last_s = (met @ self._own_mean_s) / float(met.sum())
        excess = full_s / last_s[-1]
        share = at / at.sum()
        values = np.empty(units.size)
        for k, own in enumerate(units.tolist()):
            total = np.arange(at.size) + own
            full = np.maximum(np.ceil(total / m - 1e-9) - 1.0, 0.0)
            last = np.minimum(total - full * m + self._behind_per_s * (residual + full * full_s), float(m))
            values[k] = float(share @ (full * full_s + excess * np.interp(last, np.arange(m + 1.0), last_s)))
        return residual + values

    @cached_property
    def law(self) -> tuple[float, Array]:
        """Time of a prompt of mean length at a busy instance: lattice step [s], and pmf [-]."""
        chain, levels = self.chain, self.chain.levels
        kinds, m = levels.duration_s.size, levels.at_units.size - 1
        ahead = (self._weights[:, None] * self.ahead).reshape(2, kinds, -1).sum(axis=0)
        seen = int(np.flatnonzero(ahead.sum(axis=0) > 1e-8)[-1]) + 1
        total = np.arange(seen) + self.mean_tokens / chain.unit_tokens
        full = np.maximum(np.ceil(total / m - 1e-9) - 1.0, 0.0).astype(np.int64)
        most, own = int(full[-1]) + 1, self._own_mean_s
        reach = (2.0 + 1.3 * most) * float(levels.duration_s[-1])
        step = min(reach, 2.0 * levels.duration_s[-1] + 2.0 * most * own[0, -1]) / (_POINTS - 1)
        later = [np.fft.rfft(_whole(x.duration_s / step), 2 * _POINTS, axis=1) for x in self._groups[1]]
        residual = np.fft.rfft(uniform_rows(levels.duration_s / step, _POINTS), 2 * _POINTS, axis=1)
        spectrum = np.zeros(_POINTS + 1, dtype=complex)
        for members, one in self._kinds:
            weight = ahead[members].sum(axis=1)
            if weight.sum() < 1e-6:
                continue
            behind = self._behind_per_s * (levels.duration_s[one] / 2 + full * own[one, -1])
            last = np.rint(np.minimum(total - full * m + behind, m)).astype(np.int64)
            joint = np.zeros((most, m + 1))
            np.add.at(joint, (full, last), ahead[members, :seen].sum(axis=0))
            steps = self._later(one)[0] @ later[self._groups[0][one]]
            ends, sum_ = joint @ steps, np.zeros(_POINTS + 1, dtype=complex)
            for row in ends[::-1]:
                sum_ = sum_ * steps[-1] + row
            spectrum += sum_ * (weight / weight.sum() @ residual[members])
        pmf = np.maximum(np.fft.irfft(spectrum, 2 * _POINTS)[:_POINTS], 0.0)
        return step, pmf / pmf.sum()


def _whole(values: Array) -> Array:
    """Row by row one value, split between its whole neighbours so that the mean is kept."""
    at = np.minimum(values, _POINTS - 2.0)
    low = at.astype(int)
    rows = np.zeros((at.size, _POINTS))
    rows[np.arange(at.size), low] = 1.0 - (at - low)
    rows[np.arange(at.size), low + 1] = at - low
    return rows
