"""The verdict on splitting one class: an answer, its reason, its margin and where it flips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pdplan.checks import require_positive
from pdplan.errors import InputError

Reason = Literal["split", "no_interference", "slow_link"]

#: Least ratio of colocated worst ITL to a clean step that is worth a second pool. Halving the chunk budget
#: costs no hardware and takes an excess of 50% below 25%: splitting has to beat what tuning can do.
MIN_ITL_GAIN: Final = 1.5

#: Largest visible transfer, as a share of prefill, that TTFT can absorb. TTFT targets of the field leave two
#: to four times the bare prefill (DistServe, OSDI'24, table 1: 0.25 s for OPT-13B prompts of 756 tokens,
#: whose prefill is 0.1 s), and queueing needs most of that: a quarter of the prefill fits, the whole of it
#: does not. Measured transports stay below 7% (Splitwise, ISCA'24, section VI-A).
MAX_TTFT_PENALTY: Final = 0.25


@dataclass(frozen=True, slots=True)
class Crossover:
    """Where the verdict flips, one input at a time.

    Parameters
    ----------
    transfer_s : float
        Visible transfer time that uses up the TTFT allowance [s].
    link_factor : float
        Bandwidth at that point, as a multiple of the bandwidth now [-]: below 1 the link may be that much
        slower, above 1 it must be that much faster.
    chunk_s : float
        Chunk time at which interference is just worth curing [s].
    """

    transfer_s: float
    link_factor: float
    chunk_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to split prefill from decode for one class. True in a boolean context iff it says split.

    Parameters
    ----------
    reason : str
        ``split``; ``no_interference``: nothing to cure (tested first); ``slow_link``: the cure costs more.
    itl_gain : float
        Colocated worst ITL over a clean decode step [-].
    ttft_penalty : float
        Visible transfer over prefill [-].
    min_itl_gain, max_ttft_penalty : float
        The thresholds used [-].
    margin : float
        Distance to the threshold that decides, as a share of it [-]: positive for a split (the smaller of the
        two), negative for a refusal.
    crossover : Crossover
        Where the verdict flips.
    """

    reason: Reason
    itl_gain: float
    ttft_penalty: float
    min_itl_gain: float
    max_ttft_penalty: float
    margin: float
    crossover: Crossover

    @property
    def splits(self) -> bool:
        """Whether splitting wins."""
        return self.reason == "split"

    def __bool__(self) -> bool:
        """Truthy iff splitting wins."""
        return self.splits

    def __str__(self) -> str:
        """Read as an engineer's note."""
        gain = f"worst ITL {self.itl_gain:.2f}x a clean step (worth curing from {self.min_itl_gain:g}x)"
        toll = f"transfer {self.ttft_penalty:.1%} of prefill (allowed {self.max_ttft_penalty:.0%})"
        if self.reason == "no_interference":
            flip = f"flips when a chunk takes {self.crossover.chunk_s * 1e3:.3g} ms"
            return f"keep colocated, nothing to cure: {gain}; {flip}"
        flip = (
            f"flips at {self.crossover.link_factor:.3g}x the link bandwidth "
            f"({self.crossover.transfer_s * 1e3:.3g} ms of transfer)"
        )
        if self.reason == "slow_link":
            return f"keep colocated, the link is too slow: {toll}; {gain}; {flip}"
        return f"split: {gain}; {toll}; {flip}"


def disagg_wins(
    decode_step_s: float,
    chunk_s: float,
    transfer_s: float,
    prefill_s: float,
    *,
    min_itl_gain: float = MIN_ITL_GAIN,
    max_ttft_penalty: float = MAX_TTFT_PENALTY,
) -> Verdict:
    r"""Say whether splitting pays: interference worth curing, over a link that can afford it.

    Split iff :math:`(t+c)/t \ge g` and :math:`T/P \le \pi`; the interference is tested first.

    Parameters
    ----------
    decode_step_s, chunk_s : float
        Clean decode step t and what a full chunk adds c [s].
    transfer_s, prefill_s : float
        Visible transfer T (after `effective_transfer`) and prefill P [s].
    min_itl_gain : float
        Threshold g, at least 1 [-]; default `MIN_ITL_GAIN`, where its reason stands.
    max_ttft_penalty : float
        Threshold pi [-]; default `MAX_TTFT_PENALTY`, where its reason stands.

    Returns
    -------
    Verdict
        Truthy iff split, with reason, margin and crossover.

    Notes
    -----
    A latency verdict of one class on idle machines. Waiting and the use of the fleet are the planner's.

    Raises
    ------
    InputError
        Times or thresholds out of range.

    Examples
    --------
    >>> print(disagg_wins(0.010, 0.025, 0.0107, 0.205))
    split: worst ITL 3.50x a clean step (worth curing from 1.5x); transfer 5.2% of prefill (allowed 25%);
    flips at 0.209x the link bandwidth (51.2 ms of transfer)
    >>> disagg_wins(0.010, 0.025, 0.2147, 0.205).reason, disagg_wins(0.010, 0.001, 0.0107, 0.205).reason
    ('slow_link', 'no_interference')
    """
    require_positive("decode_step_s", decode_step_s, "s")
    require_positive("chunk_s", chunk_s, "s", zero_ok=True)
    require_positive("transfer_s", transfer_s, "s", zero_ok=True)
    require_positive("prefill_s", prefill_s, "s")
    require_positive("max_ttft_penalty", max_ttft_penalty)
    require_positive("min_itl_gain", min_itl_gain)
    if min_itl_gain < 1:
        raise InputError(
            f"min_itl_gain is {min_itl_gain:g}: it must be at least 1, where a chunk costs nothing"
        )
    gain = (decode_step_s + chunk_s) / decode_step_s
    penalty = transfer_s / prefill_s
    gain_margin = gain / min_itl_gain - 1
    link_margin = 1 - penalty / max_ttft_penalty
    reason: Reason
    if gain < min_itl_gain:
        reason, margin = "no_interference", gain_margin
    elif penalty > max_ttft_penalty:
        reason, margin = "slow_link", link_margin
    else:
        reason, margin = "split", min(gain_margin, link_margin)
    flip = Crossover(
        transfer_s=max_ttft_penalty * prefill_s,
        link_factor=penalty / max_ttft_penalty,
        chunk_s=(min_itl_gain - 1) * decode_step_s,
    )
    return Verdict(reason, gain, penalty, min_itl_gain, max_ttft_penalty, margin, flip)
