"""Measure the closed network against a closed-loop simulation; writes docs/validation/closed_network.md.

Run ``python benchmarks/closed_network.py`` (needs numba; about two minutes).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from colocated_accuracy import Affine
from numba import njit

from pdplan.serving.closed_network import ClosedNetwork
from pdplan.serving.demand import ClassDemand

OUT = Path(__file__).parents[1] / "docs" / "validation" / "closed_network.md"


@njit(cache=True)
def simulate(users, n_p, n_d, plen, out, pick, budget, cap, t0, t1, a, beta, move, think):  # type: ignore[no-untyped-def]
    """N users over a prefill pool (dealt at random, steps up to ``budget`` tokens, 0: one prompt) and decode.

    The first token comes from decode. Decode instances are dealt at random, requests join at step ends.
    Returns TTFT, TPOT and completion time of each request, in the order in which they were sent.
    """
    n = len(plen)
    inf = 1e300
    sent = np.zeros(n)
    first = np.zeros(n)
    ttft = np.zeros(n)
    tpot = np.zeros(n)
    done = np.zeros(n)
    arrive = np.full(users, 0.0)  # when each user sends next; inf while a request of his is under way
    owner = np.zeros(n, np.int64)
    stage_t = np.zeros(users)  # when a transfer of this user ends, inf if none
    stage_t[:] = inf
    stage_r = np.zeros(users, np.int64)
    fifo = np.zeros((n_p, users), np.int64)
    head = np.zeros(n_p, np.int64)
    count = np.zeros(n_p, np.int64)
    taken = np.zeros(n_p, np.int64)
    p_end = np.full(n_p, inf)
    run = np.zeros((n_d, users), np.int64)
    left = np.zeros(n, np.int64)
    b = np.zeros(n_d, np.int64)
    wait = np.zeros((n_d, users), np.int64)
    w = np.zeros(n_d, np.int64)
    d_end = np.full(n_d, inf)
    for u in range(users):
        arrive[u] = 1e-6 * u
    i = 0
    t = 0.0
    finished = 0
    while finished < n - users:
        kind = 0
        who = 0
        t = inf
        for u in range(users):
            if arrive[u] < t:
                t = arrive[u]
                kind = 0
                who = u
            if stage_t[u] < t:
                t = stage_t[u]
                kind = 1
                who = u
        for k in range(n_p):
            if p_end[k] < t:
                t = p_end[k]
                kind = 2
                who = k
        for k in range(n_d):
            if d_end[k] < t:
                t = d_end[k]
                kind = 3
                who = k
        p = -1
        d = -1
        if kind == 0:
            arrive[who] = inf
            if i >= n:
                continue
            sent[i] = t
            owner[i] = who
            p = pick[i] % n_p
            fifo[p, (head[p] + count[p]) % users] = i
            count[p] += 1
            i += 1
            if p_end[p] < inf:
                p = -1
        elif kind == 1:
            stage_t[who] = inf
            r = stage_r[who]
            d = (pick[r] // 64) % n_d
            wait[d, w[d]] = r
            w[d] += 1
            if d_end[d] < inf:
                d = -1
        elif kind == 2:
            p = who
            for _ in range(taken[p]):
                r = fifo[p, head[p]]
                head[p] = (head[p] + 1) % users
                count[p] -= 1
                stage_t[owner[r]] = t + move * plen[r]
                stage_r[owner[r]] = r
            p_end[p] = inf
        else:
            d = who
            k = 0
            while k < b[d]:
                r = run[d, k]
                left[r] -= 1
                if first[r] == 0.0:
                    first[r] = t
                    ttft[r] = t - sent[r]
                if left[r] == 0:
                    if out[r] > 1:
                        tpot[r] = (t - first[r]) / (out[r] - 1)
                    done[r] = t
                    finished += 1
                    arrive[owner[r]] = t + think
                    b[d] -= 1
                    run[d, k] = run[d, b[d]]
                else:
                    k += 1
            d_end[d] = inf
        if p >= 0 and count[p] > 0:
            q = 0
            m = 0
            while m < count[p]:
                r = fifo[p, (head[p] + m) % users]
                if m > 0 and (budget == 0 or q + plen[r] > budget):
                    break
                q += plen[r]
                m += 1
            taken[p] = m
            p_end[p] = t + t0 + t1 * q
        if d >= 0:
            m = 0
            while m < w[d] and b[d] < cap:
                run[d, b[d]] = wait[d, m]
                left[wait[d, m]] = out[wait[d, m]]
                b[d] += 1
                m += 1
            if m > 0:
                for k in range(w[d] - m):
                    wait[d, k] = wait[d, k + m]
                w[d] -= m
            if b[d] > 0:
                d_end[d] = t + a + beta * b[d]
    return ttft, tpot, done


def cell(
    users: int, n_p: int, n_d: int, mean_prompt: float, discipline: str, n: int, cap: int = 100_000
) -> dict[str, float]:
    """One comparison: prompts lognormal (sigma 1), outputs geometric of mean 200."""
    model = Affine(gamma=0.0)
    rng = [np.random.Generator(np.random.Philox(s)) for s in np.random.SeedSequence(7).spawn(3)]
    plen = np.maximum(np.rint(rng[0].lognormal(np.log(mean_prompt) - 0.5, 1.0, n)), 1).astype(np.int64)
    out = np.asarray(rng[1].geometric(1 / 200, n), dtype=np.int64)
    pick = rng[2].integers(0, 1 << 40, n)
    budget = 8192 if discipline == "batched" else 0
    move = 1e-6
    ttft, tpot, done = simulate(
        users, n_p, n_d, plen, out, pick, budget, cap, model.a, model.kappa, model.a, model.beta, move, 0.0
    )
    seen = slice(n // 10, n - 2 * users)
    served = np.sort(done[done > 0])
    x_sim = (served.size * 0.9) / (served[-1] - served[served.size // 10])
    cuts = np.unique(np.r_[np.linspace(0, 0.99 * n, 101), np.linspace(0.99 * n, n, 51)].astype(int))
    prompts = np.add.reduceat(np.sort(plen), cuts[:-1]) / np.diff(cuts)
    outs = np.array([block.mean() for block in np.array_split(np.sort(out), 8)])
    demand = ClassDemand(
        "bench",
        1.0,
        np.repeat(prompts, 8),
        np.tile(outs, prompts.size),
        np.repeat(np.diff(cuts) / n / 8, 8),
    )
    net = ClosedNetwork(
        users,
        demand,
        model,
        model,
        n_p,
        n_d,
        transfer_s=move * demand.prompt_tokens,
        discipline=discipline,  # type: ignore[arg-type]
        max_batch=cap,
        step_factor=1.0,
    )
    weight = (out[seen] - 1).astype(float)
    return {
        "x": net.throughput,
        "x_sim": float(x_sim),
        "ttft": net.mean_ttft_s,
        "ttft_sim": float(ttft[seen].mean()),
        "tpot": net.mean_tpot_s,
        "tpot_sim": float((tpot[seen] * weight).sum() / weight.sum()),
        "load": net.throughput / net.prefill_limit,
        "batch": net.mean_batch,
    }


COLUMNS = (
    "users | P | D | mean prompt | discipline | decode cap | prefill load | mean batch | req/s | error "
    "| TTFT, ms | error | TPOT, ms | error"
)
HEAD = """# The closed network against a closed-loop simulation

Written by `benchmarks/closed_network.py`. N users without think time, P prefill and D decode instances, both
dealt at random; prefill 8 ms + 0.05 ms a token, decode 8 ms + 0.1 ms a request, transfer 1 us a token;
lognormal prompts (sigma 1), geometric outputs (mean 200), first token from decode, {n} requests a row,
seed 7. Errors are formula over simulation. The mean TTFT is least certain where prefill and decode change
over as the bottleneck; throughput and TPOT are not.

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=60_000)
    n = parser.parse_args().requests
    rows = []
    for discipline in ("one_at_a_time", "batched"):
        for users, n_p, n_d, prompt, cap in (
            (4, 1, 1, 1000, 100_000),
            (16, 1, 1, 1000, 100_000),
            (64, 1, 1, 1000, 100_000),
            (64, 2, 1, 4000, 100_000),
            (64, 4, 2, 1000, 100_000),
            (256, 4, 2, 1000, 100_000),
            (256, 8, 4, 4000, 100_000),
            (256, 4, 2, 1000, 64),
        ):
            c = cell(users, n_p, n_d, prompt, discipline, n, cap)
            err = {k: 100 * (c[k] / c[k + "_sim"] - 1) for k in ("x", "ttft", "tpot")}
            limit = "none" if cap == 100_000 else str(cap)
            rows.append(
                f"| {users} | {n_p} | {n_d} | {prompt} | {discipline} | {limit} | {c['load']:.2f} "
                f"| {c['batch']:.1f} | {c['x_sim']:.2f} | {err['x']:+.1f}% | {1e3 * c['ttft_sim']:.0f} "
                f"| {err['ttft']:+.1f}% | {1e3 * c['tpot_sim']:.2f} | {err['tpot']:+.1f}% |"
            )
            print(rows[-1], flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    rule = "|---" * (COLUMNS.count("|") + 1) + "|"
    OUT.write_text(HEAD.format(n=n) + "\n".join([f"| {COLUMNS} |", rule, *rows]) + "\n")


if __name__ == "__main__":
    main()
