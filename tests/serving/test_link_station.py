"""The KV link: freight by hand, Pollaczek-Khinchine, two sides, sharing and overlap."""

from __future__ import annotations

import numpy as np
import pytest

from pdplan.errors import InputError, UnknownNameError, UnstableError
from pdplan.serving.composition import ttft_law
from pdplan.serving.demand import ClassDemand
from pdplan.serving.link_station import LinkStation
from pdplan.trust import Trust

ONE = np.ones(1)
KV = 131072.0  # bytes per token of Llama-3.1-8B, bf16: 2 x 32 layers x 8 heads x 128 x 2


def chat(rate: float, prompt: float = 2048.0) -> ClassDemand:
    return ClassDemand("chat", rate, ONE * prompt, ONE * 10, ONE)


def test_freight_and_time():
    # 2048 tokens x 128 KiB = 256 MiB; at 200 Gb/s = 25e9 B/s: 10.737 ms
    link = LinkStation([chat(10.0)], KV, 25e9, 25e9)
    assert link.payload_bytes()[0] == 2048 * KV == 256 * 2**20
    assert link.transfer_s("chat")[0] == pytest.approx(0.0107374, rel=1e-5)
    assert link.utilization == pytest.approx(10 * 0.0107374, rel=1e-5)
    # M/D/1: rho S / (2 (1 - rho))
    rho = link.utilization
    assert link.mean_wait_s == pytest.approx(rho * 0.0107374 / (2 * (1 - rho)), rel=1e-5)


def test_the_slower_side_sets_the_time_and_the_busier_the_wait():
    link = LinkStation([chat(10.0)], KV, 25e9, 12.5e9, senders=2, receivers=4)
    assert link.transfer_s()[0] == pytest.approx(0.0214748, rel=1e-5)
    assert link.egress_utilization == pytest.approx(10 * 0.0107374 / 2, rel=1e-5)
    assert link.ingress_utilization == pytest.approx(10 * 0.0214748 / 4, rel=1e-5)
    assert link.busier_side == "egress"
    few = LinkStation([chat(10.0)], KV, 25e9, 12.5e9, senders=2, receivers=1)
    assert few.busier_side == "ingress"
    assert few.queue.utilization == pytest.approx(few.ingress_utilization)


def test_start_up_counts_as_load():
    link = LinkStation([chat(10.0)], KV, 25e9, 25e9, startup_s=0.002)
    assert link.utilization == pytest.approx(10 * 0.0127374, rel=1e-5)
    assert link.queue.utilization == pytest.approx(link.utilization, rel=1e-9)


def test_equal_prompts_of_one_sender_never_queue():
    link = LinkStation([chat(4.0)], KV, 25e9, 25e9)
    assert link.wait(ONE * 0.2).mean_s == 0
    assert link.wait(ONE * 0.2).trust is Trust.EXACT
    assert link.wait(ONE * 0.001).mean_s > 0
    assert link.wait().trust is Trust.APPROXIMATE


def test_overlap_sharing_and_hits():
    link = LinkStation([chat(4.0)], KV, 25e9, 25e9, overlap_fraction=0.5, layers=32)
    assert link.visible_s(ONE * 0.01)[0] == pytest.approx(0.0107374 - 0.005, rel=1e-5)
    assert link.visible_s(ONE * 0.2)[0] == pytest.approx(0.0107374 / 32, rel=1e-5)
    shared = LinkStation([chat(40.0)], KV, 25e9, 25e9, sharing="shared")
    assert shared.visible_s(ONE * 0.2)[0] == pytest.approx(0.0107374 / (1 - 0.429497), rel=1e-5)
    assert shared.mean_wait_s == 0
    half = LinkStation([chat(4.0)], KV, 25e9, 25e9, decode_prefix_hit=0.5)
    assert half.transfer_s()[0] == pytest.approx(0.0053687, rel=1e-4)


def test_it_composes():
    link = LinkStation([chat(40.0)], KV, 25e9, 25e9)
    law = ttft_law({"link": link.wait()}, {"transfer": link.transfer_s()}, ONE)
    assert law.mean_s == pytest.approx(link.mean_wait_s + 0.0107374, rel=1e-4)
    low, high = law.quantile_bounds_s(0.99)
    assert low <= law.quantile_s(0.99) <= high


def test_errors():
    with pytest.raises(UnstableError, match="prefill instance"):
        LinkStation([chat(100.0)], KV, 25e9, 50e9)
    with pytest.raises(UnstableError, match="decode instance"):
        LinkStation([chat(100.0)], KV, 50e9, 25e9)
    with pytest.raises(UnknownNameError, match="did you mean shared"):
        LinkStation([chat(1.0)], KV, 25e9, 25e9, sharing="share")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no class"):
        LinkStation([chat(1.0)], KV, 25e9, 25e9).transfer_s("x")
