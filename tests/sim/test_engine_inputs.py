"""Tables of step times, streams that are drawn, mixed fleets, and what importing costs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pdplan.errors import InputError
from pdplan.latency import DecodeCurve, Device, ModelShape, MoeShape, Roofline, Tabulated
from pdplan.sim.arrivals import Source, closed_loop, draw_stream, on_off
from pdplan.sim.config import ColocatedConfig, DecodePool, PdConfig, PrefillPool
from pdplan.sim.mixed import Rule, run_mixed
from pdplan.sim.run import run_colocated, run_pd
from pdplan.sim.steps import decode_rows
from pdplan.sim.stream import Stream
from pdplan.workload import GammaArrivals, PoissonArrivals, Workload
from tests.sim.engine_cases import MODEL, lognormal_stream

H100 = Device({"bf16": 989.4e12}, 80e9, 3.35e12, 450e9)
MODELS = {
    "llama 70B, TP4": Roofline(ModelShape(80, 8192, 64, 8, 128, 28672, 128256), H100, tp=4),
    "experts": Roofline(ModelShape(48, 2048, 32, 4, 128, 6144, 151936, moe=MoeShape(128, 8, 768)), H100),
    "sliding": Roofline(
        ModelShape(32, 4096, 32, 8, 128, 14336, 128256, sliding_window=1024, sliding_layers=16), H100
    ),
    "table": Tabulated(
        (1000, 2000, 8000),
        (0.1, 0.25, 1.1),
        (
            DecodeCurve((1, 10, 20, 64), (0.010, 0.012, 0.016, 0.03), 500.0),
            DecodeCurve((1, 10, 20, 64), (0.011, 0.014, 0.019, 0.05), 4000.0),
        ),
        "a table",
    ),
}
WORKLOAD = Workload.from_document(
    {"name": "w", "prompt_tokens": {"p50": 300, "p99": 2000}, "output_tokens": {"geometric": 50}}
)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_tables_are_right_to_three_per_mille(name: str) -> None:
    """2000 random steps of each kind, evaluated by the compiled helpers and by the model itself."""
    from pdplan.sim.kernel_colocated import MixedTimes, mixed_time
    from pdplan.sim.kernel_core import prefill_time
    from pdplan.sim.layout import prefill_times
    from pdplan.sim.steps import mixed_table, prefill_table

    model, random = MODELS[name], np.random.Generator(np.random.Philox(3))
    n = np.rint(np.exp(random.uniform(0, np.log(32768), 2000)))
    u = np.exp(random.uniform(0, np.log(80000), 2000))
    table = prefill_times(prefill_table(model, 32768, 40000, 1.0))
    got = _compiled(prefill_time)(table, n, n * u)
    assert np.abs(got / model.prefill_step_s(n, n * u) - 1).max() < 0.003

    rows = decode_rows(model, 256, 40000, 1.0)
    batch = random.integers(1, 257, 2000)
    mean = np.exp(random.uniform(0, np.log(40000), 2000))
    at = batch * rows.cells + np.searchsorted(rows.node, mean, side="right") - 1
    true = model.decode_step_s(batch.astype(float), batch * mean)
    assert np.abs((rows.level[at] + rows.slope[at] * batch * mean) / true - 1).max() < 0.003

    mixed = mixed_table(model, 256, 2048, 40000, 1.0)
    numbers = MixedTimes(*(getattr(mixed, field) for field in MixedTimes._fields))
    batch = random.integers(0, 257, 2000)
    q = np.rint(np.exp(random.uniform(0, np.log(2048), 2000)))
    u = np.maximum(q, u)
    got = _compiled(mixed_time)(numbers, batch, batch * mean, q, q * u)
    true = model.mixed_step_s(batch.astype(float), batch * mean, q, q * u)
    error = np.abs(got / true - 1)
    assert np.quantile(error, 0.999) < 0.003
    assert error.max() < (0.005 if name == "sliding" else 0.003)


def _compiled(helper):  # type: ignore[no-untyped-def]
    """Return what runs a helper over arrays: helpers have no door to Python of their own."""
    import numba

    @numba.njit
    def prefills(table, n, squares, out):  # type: ignore[no-untyped-def]
        for k in range(out.size):
            out[k] = helper(table, n[k], squares[k])

    @numba.njit
    def mixes(table, batch, context, chunk, squares, out):  # type: ignore[no-untyped-def]
        for k in range(out.size):
            out[k] = helper(table, batch[k], context[k], chunk[k], squares[k])

    def run(table, *columns):  # type: ignore[no-untyped-def]
        out = np.empty(columns[0].size)
        (prefills if len(columns) == 2 else mixes)(table, *columns, out)
        return out

    return run


def test_a_step_that_gets_faster_with_context_is_refused() -> None:
    falling = Tabulated(
        (100, 1000),
        (0.01, 0.1),
        (DecodeCurve((1, 8), (0.02, 0.03), 100.0), DecodeCurve((1, 8), (0.01, 0.02), 1000.0)),
        "falling",
    )
    with pytest.raises(InputError, match="faster as contexts grow"):
        decode_rows(falling, 8, 2000, 1.0)


def test_classes_are_drawn_apart() -> None:
    one, other = Source(WORKLOAD, PoissonArrivals(3.0)), Source(WORKLOAD, GammaArrivals(1.0, 4.0), cached=0.5)
    both, again = (draw_stream([one, other], 20_000, seed=4) for _ in range(2))
    assert np.array_equal(both.arrival_s, again.arrival_s)
    assert len(both) == 20_000
    assert 20_000 / both.arrival_s[-1] == pytest.approx(4.0, rel=0.05)
    assert both.class_id is not None
    assert both.cached_tokens is not None
    assert (both.cached_tokens[both.class_id == 0] == 0).all()
    changed = draw_stream([one, Source(WORKLOAD, GammaArrivals(1.0, 1.0))], 20_000, seed=4)
    assert changed.class_id is not None
    first = both.arrival_s[both.class_id == 0][:5000]
    assert np.array_equal(first, changed.arrival_s[changed.class_id == 0][:5000])


def test_bursts_wait_longer_than_even_arrivals() -> None:
    config = PdConfig(PrefillPool(1, MODEL, discipline="one_at_a_time"), DecodePool(1, MODEL))
    mean = [
        float(run_pd(config, draw_stream([Source(WORKLOAD, a)], 20_000, seed=1)).queue_s.mean())
        for a in (GammaArrivals(30.0, 0.25), PoissonArrivals(30.0), on_off(30.0, on_s=5.0, off_s=3.0))
    ]
    assert mean[0] < mean[1] < mean[2]


def test_closed_loop_is_drawn_from_a_workload() -> None:
    stream = closed_loop(WORKLOAD, 500, users=8, think_s=0.1, seed=2)
    run = run_pd(PdConfig(PrefillPool(1, MODEL), DecodePool(1, MODEL)), stream)
    assert run.completed.all()
    later = run.arrival_s[8:]
    assert np.allclose(np.sort(run.end_s)[: later.size] + 0.1, later)


def test_mixed_fleet_is_two_runs_of_one_stream() -> None:
    stream = lognormal_stream(2000, 20.0, seed=3)
    split, colocated = PdConfig(PrefillPool(1, MODEL), DecodePool(1, MODEL)), ColocatedConfig(1, MODEL)
    rule = Rule(longest_prompt_tokens=400)
    run = run_mixed(split, colocated, stream, rule)
    short = stream.prompt_tokens <= 400
    assert np.array_equal(run.values("prompt_tokens"), stream.prompt_tokens)
    assert np.array_equal(run.values("ttft_s")[short], run_colocated(colocated, stream.take(short)).ttft_s)
    assert np.array_equal(run.values("ttft_s")[~short], run_pd(split, stream.take(~short)).ttft_s)
    classed = Stream.of(
        stream.arrival_s, stream.prompt_tokens, stream.output_tokens, class_id=np.arange(2000) % 2
    )
    assert run_mixed(split, colocated, classed, Rule(classes=(1,))).is_colocated.sum() == 1000


def test_numba_loads_with_the_first_run_only() -> None:
    code = "import sys, pdplan.sim, pdplan.sim.run, pdplan.sim.config; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
