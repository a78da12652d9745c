"""LLMServingSim's files, and its prefill/decode example: `pdplan simulate --cluster-config`."""

from __future__ import annotations

import ast
import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from pdplan.cli.app import app, guarded
from pdplan.errors import InfeasibleError, InputError, UnsupportedError
from pdplan.interop.llmservingsim import (
    CSV_FIELDS,
    build_fleet,
    interval_text,
    read_cluster_config,
    read_dataset,
    request_rows,
    serve_trace,
    write_requests_csv,
)
from pdplan.sim.cluster import Interval

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "scenarios" / "llmservingsim"
ONE_ONE = EXAMPLE / "configs" / "cluster" / "single_node_pd_instance.json"
TWO_ONE = EXAMPLE / "configs" / "cluster" / "single_node_2p1d_instance.json"
TRACE = EXAMPLE / "workloads" / "example_trace.jsonl"
AS_PRINTED = (
    "simulate --cluster-config configs/cluster/single_node_pd_instance.json --dtype float16 --block-size 16 "
    "--dataset workloads/example_trace.jsonl --output outputs/pd_split_run.csv --log-interval 1.0"
)
LINE = re.compile(
    r"\[INFO\] step=(\d+) P=(\d+) D=(\d+) prompt_t=([\d.]+)(k?) tok/s decode_t=([\d.]+)(k?) tok/s\n"
    r"       npu_mem=\[([\d.]+) GB, ([\d.]+) GB\]\n"
)


def call(line: str) -> int:
    return guarded(lambda: app(args=line.split(), prog_name="pdplan", standalone_mode=False))


@pytest.fixture
def example(tmp_path, monkeypatch):
    """A copy of the example's folder, as the working directory."""
    shutil.copytree(EXAMPLE / "configs", tmp_path / "configs")
    shutil.copytree(EXAMPLE / "workloads", tmp_path / "workloads")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def runs():
    """The example's trace on 1 + 1 and on 2 + 1 instances, with what each interval showed."""
    trace, out = read_dataset(TRACE), {}
    for name, path in (("1+1", ONE_ONE), ("2+1", TWO_ONE)):
        fleet = build_fleet(read_cluster_config(path), dtype="float16")
        seen: list[Interval] = []
        out[name] = serve_trace(fleet, trace, interval_s=0.1, on_interval=seen.append), seen, fleet
    return out


def test_the_command_as_printed(example, capsys):
    assert call(AS_PRINTED) == 0
    printed = capsys.readouterr()
    lines = list(LINE.finditer(printed.out))
    assert [int(m[1]) for m in lines] == list(range(1, len(lines) + 1))
    assert max(int(m[2]) for m in lines) > 1
    assert max(float(m[9]) for m in lines) > 18  # the weights are 16.1 GB
    assert "wrote outputs/pd_split_run.csv" in printed.out
    assert "profile llmservingsim-llama-3.1-8b-rtxpro6000, TP 1" in printed.err
    with (example / "outputs" / "pd_split_run.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_FIELDS
    wanted = [json.loads(line) for line in TRACE.read_text().splitlines()]
    assert [(int(r["input"]), int(r["output"]), int(r["arrival"])) for r in rows] == [
        (w["input_toks"], w["output_toks"], w["arrival_time_ns"]) for w in wanted
    ]
    for row in rows:
        gaps = ast.literal_eval(row["ITL"])
        latency, ttft, output = int(row["latency"]), int(row["TTFT"]), int(row["output"])
        assert int(row["end_time"]) - int(row["arrival"]) == latency == ttft + sum(gaps)
        assert len(gaps) == output - 1
        assert int(row["TPOT"]) == (latency - ttft) // (output - 1)
        assert 0 <= int(row["queuing_delay"]) < ttft
        assert row["instance id"] == "1"
        assert row["model"] == "meta-llama/Llama-3.1-8B"
    assert [p.name for p in (example / "outputs").iterdir()] == ["pd_split_run.csv"]


def test_the_same_bytes_every_time(example):
    call(AS_PRINTED)
    first = (example / "outputs" / "pd_split_run.csv").read_bytes()
    call(AS_PRINTED)
    assert (example / "outputs" / "pd_split_run.csv").read_bytes() == first


def test_ttft_depends_on_the_prefill_pool_alone(runs):
    fleet, trace = runs["1+1"][2], read_dataset(TRACE)
    config = fleet.config
    slow_link = type(config)(config.source, config.instances, config.link_bytes_per_s / 50, 1.0)
    three = type(config)(
        config.source, (*config.instances, config.instances[1]), config.link_bytes_per_s, 0.0
    )
    for other in (slow_link, three):
        run = serve_trace(build_fleet(other, dtype="float16"), trace)
        np.testing.assert_array_equal(run.ttft_s, runs["1+1"][0].ttft_s)


def test_the_transfer_is_paid_once_before_the_first_decode_step(runs):
    run, _, fleet = runs["1+1"]
    moved = run.moved
    assert moved.all()
    # 131,072 bytes of KV a token at fp16 over 16 GB/s, and 20 us: never less than that.
    floor = run.prompt_tokens * 131_072 / 16e9 + 20e-6
    assert (run.kv_ready_s - run.first_token_s >= floor - 1e-12).all()
    gaps = [np.diff(t) for t in run.token_s]
    slowest = max(float(i.latency.decode_step_s(64.0, 64 * 9000.0)) for i in fleet.instances)
    for ready, tokens, gap in zip(run.kv_ready_s, run.token_s, gaps, strict=True):
        assert tokens[0] < ready < tokens[1]
        assert (gap[1:] < slowest).all()  # from the second gap on, a step and nothing else
    bare = build_fleet(
        type(fleet.config)(fleet.config.source, fleet.config.instances, 1e18, 0.0), dtype="float16"
    )
    free = serve_trace(bare, read_dataset(TRACE))
    late = np.array([t[-1] for t in run.token_s]) - np.array([t[-1] for t in free.token_s])
    # What the link costs a request is about its own transfer, whatever its length: it is paid once.
    wait = run.kv_ready_s - run.first_token_s
    assert abs(late.mean() / wait.mean() - 1) < 0.35
    assert late.max() < 5 * wait.max()


def test_decode_kv_grows_while_prefill_kv_stays_bounded(runs):
    run, seen, _ = runs["1+1"]
    prefill = np.array([i.kv_tokens[0] for i in seen])
    decode = np.array([i.kv_tokens[1] for i in seen])
    # Prefill holds what it computes and what is being sent: a step's budget and the longest prompts.
    assert run.peak_kv_tokens[0] < 2 * 8192
    assert run.peak_kv_tokens[1] > 3 * run.peak_kv_tokens[0]
    assert decode.mean() > 5 * prefill.mean()
    # Inside a burst decode's KV only grows, from nothing; between bursts prefill's is gone.
    burst = slice(5, 5 + int(np.argmax(decode[5:20])))
    assert (np.diff(decode[burst]) >= 0).all()
    assert np.median(prefill) == 0


def test_two_prefill_instances_beat_one_on_long_bursts(runs):
    one, two = runs["1+1"][0], runs["2+1"][0]
    assert two.ttft_s.mean() < 0.6 * one.ttft_s.mean()
    assert np.quantile(two.ttft_s, 0.99) < 0.6 * np.quantile(one.ttft_s, 0.99)
    assert (two.end_s - two.arrival_s).mean() < (one.end_s - one.arrival_s).mean()
    assert set(two.entry) == {0, 1}
    assert abs(two.tpot_s.mean() / one.tpot_s.mean() - 1) < 0.1  # TPOT is decode's


def test_the_example_is_a_bursty_workload_of_long_prompts():
    trace = read_dataset(TRACE)
    assert np.median(trace.prompt_tokens) > 2000
    counts = np.bincount((np.array(trace.arrival_ns) // 1_000_000_000).astype(int))
    assert counts.var() / counts.mean() > 3  # index of dispersion in 1 s windows; Poisson has 1


def config_of(tmp_path, **changes):
    """The example's config with changes at the top, in the node or in the first instance, and its path."""
    document = json.loads(ONE_ONE.read_text())
    for key, value in changes.items():
        where, _, name = key.partition("__")
        owner = {"top": document, "node": document["nodes"][0], "inst": document["nodes"][0]["instances"][0]}[
            where
        ]
        if value is ...:
            del owner[name]
        else:
            owner[name] = value
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(document, indent=2))
    return path


def test_a_combined_instance(tmp_path, capsys):
    document = json.loads(ONE_ONE.read_text())
    entry = document["nodes"][0]["instances"][0] | {"pd_type": None, "tp_size": 2, "max_num_seqs": 8}
    document["nodes"][0] |= {"num_instances": 1, "instances": [entry]}
    del document["link_bw"]
    (tmp_path / "one.json").write_text(json.dumps(document))
    assert call(f"simulate --cluster-config {tmp_path}/one.json --dataset {TRACE} --log-interval 5") == 0
    printed = capsys.readouterr()
    first = printed.out.splitlines()[0]
    assert re.fullmatch(
        r"\[INFO\] step=1 batch=\d+ prompt_t=[\d.]+k? tok/s decode_t=[\d.]+k? tok/s npu_mem=[\d.]+ GB", first
    )
    assert max(int(b) for b in re.findall(r"batch=(\d+)", printed.out)) == 8
    assert "KV  " not in printed.out
    assert "TP 2" in printed.err


def test_memory_of_the_config_overrides_the_catalog(tmp_path):
    small = config_of(tmp_path, inst__npu_mem={"mem_size": 24, "mem_bw": 1597})
    fleet = build_fleet(read_cluster_config(small), dtype="float16")
    # 0.9 x 24 GB less 16.06 GB of weights, over 131,072 B, in blocks of 16
    weights = 8_030_261_248 * 2
    assert fleet.instances[0].kv_capacity_tokens == int((0.9 * 24e9 - weights) / 131_072) // 16 * 16
    assert fleet.instances[1].kv_capacity_tokens == int((0.9 * 96e9 - weights) / 131_072) // 16 * 16


def test_another_bandwidth_is_another_card(tmp_path):
    fast = config_of(tmp_path, inst__npu_mem={"mem_size": 96, "mem_bw": 3200})
    fleet = build_fleet(read_cluster_config(fast), dtype="float16")
    assert fleet.step_sources[0].startswith("roofline of rtx-pro-6000-blackwell at 3200 GB/s, TP 1")
    assert fleet.step_sources[1].startswith("profile llmservingsim-llama-3.1-8b-rtxpro6000")
    slow, quick = (fleet.instances[i].latency.decode_step_s(1.0, 1000.0) for i in (1, 0))
    assert quick < 0.7 * slow


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"top__num_nodes": 2}, InputError, "num_nodes is 2, and nodes lists 1"),
        ({"node__num_instances": 3}, InputError, "num_instances is 3, and instances lists 2"),
        ({"inst__pd_type": "prefil"}, InputError, "pd_type is 'prefil': it must be prefill, decode or null"),
        ({"inst__hardware": "RTXPR06000"}, InputError, "did you mean"),
        ({"inst__model_name": "meta-llama/Llama-3.1-7B"}, InputError, "did you mean"),
        ({"inst__model_name": ...}, InputError, "model_name is missing: it must be a name"),
        ({"inst__tp": 1}, InputError, "unknown field 'tp'"),
        ({"inst__tp_size": 0}, InputError, "tp_size is 0: it must be one number greater than 0"),
        ({"inst__tp_size": 1.5}, InputError, "tp_size is 1.5: it must be a whole number"),
        ({"inst__num_npus": 2}, InputError, "num_npus is 2 and tp_size 1"),
        ({"inst__pp_size": 2}, UnsupportedError, "pp_size is not modelled: leave it out (given 2)"),
        ({"inst__dp_group": "A"}, UnsupportedError, "dp_group is not modelled"),
        ({"node__power": {"base_node_power": 60}}, UnsupportedError, "power is not modelled"),
        ({"top__cxl_mem": {"mem_size": 1}}, UnsupportedError, "cxl_mem is not modelled"),
        (
            {"top__link_bw": [16, 100]},
            InputError,
            "link_bw is [16, 100]: it must be one number greater than 0",
        ),
        ({"top__link_bw": -1}, InputError, "link_bw is -1"),
        ({"top__link_bw": ...}, InputError, "link_bw is missing: KV is handed over"),
        ({"inst__npu_mem": {"mem_size": 96, "mem_util": 1.2}}, InputError, "mem_util is 1.2"),
        (
            {"inst__npu_mem": {"mem_size": 96, "mem_latency": 5}},
            UnsupportedError,
            "mem_latency is not modelled",
        ),
        ({"inst__npu_mem": {"mem_size": 12, "mem_bw": 1597}}, InfeasibleError, "leave no room for KV"),
        ({"inst__model_name": "Qwen/Qwen3-8B"}, InputError, "a cluster serves one model"),
        ({"top__nodes": []}, InputError, "nodes is []: it must be a list of at least one"),
        ({"node__cpu_mem": {"mem_size": "512"}}, InputError, 'mem_size is "512"'),
    ],
)
def test_a_config_that_cannot_be_used(tmp_path, changes, kind, says):
    path = config_of(tmp_path, **changes)
    with pytest.raises(kind) as error:
        build_fleet(read_cluster_config(path), dtype="float16")
    message = str(error.value)
    assert says in message
    assert "\n" not in message
    assert message.startswith(f"{path}")
    if ... not in changes.values():
        assert re.match(re.escape(str(path)) + r":\d+: ", message)


def test_the_line_is_the_line_of_the_field(tmp_path):
    path = config_of(tmp_path, inst__pp_size=2)
    number = next(i for i, line in enumerate(path.read_text().splitlines(), 1) if "pp_size" in line)
    with pytest.raises(UnsupportedError, match=f":{number}: pp_size"):
        read_cluster_config(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1: not valid JSON"),
        ('{"num_nodes": 1,\n "nodes": [}', ":2: not valid JSON"),
        ("[]", "a cluster config is []: it must be a JSON object"),
        ('{"num_nodes": 1, "nodes": [7]}', "nodes.0 is 7: it must be a JSON object"),
    ],
)
def test_a_config_that_is_none(tmp_path, text, says):
    path = tmp_path / "cluster.json"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_cluster_config(path)
    assert says in str(error.value)


GOOD = '{"input_toks": 10, "output_toks": 5, "arrival_time_ns": 7}'


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", ":2: not valid JSON"),
        ("[1]", ":2: not a JSON object"),
        ('{"input_toks": 10, "output_toks": 5}', ":2: no arrival_time_ns"),
        (
            '{"input_tok": 10, "output_toks": 5, "arrival_time_ns": 7}',
            ":2: no input_toks; did you mean input_tok",
        ),
        (GOOD.replace("10", "0"), ":2: input_toks is 0: it must be a whole number of at least 1"),
        (GOOD.replace("5", "2.5"), ":2: output_toks is 2.5"),
        (GOOD.replace("7", "-7"), ":2: arrival_time_ns is -7: it must be a whole number of at least 0"),
        (GOOD.replace("7", '"7"'), ':2: arrival_time_ns is "7"'),
        (GOOD.replace("10", "true"), ":2: input_toks is true"),
        (GOOD.replace("7", "NaN"), ":2: arrival_time_ns is NaN"),
        (GOOD.replace("7", "1e30"), ":2: arrival_time_ns is 1e+30"),
        ('{"session_id": "a", "sub_requests": []}', ":2: sessions of chained requests"),
    ],
)
def test_a_dataset_line_that_is_no_request(tmp_path, line, says):
    path = tmp_path / "trace.jsonl"
    path.write_text(f"{GOOD}\n{line}\n{GOOD}\n")
    with pytest.raises(InputError) as error:
        read_dataset(path)
    assert str(error.value).startswith(f"{path}{says}")
    assert "\n" not in str(error.value)


def test_a_dataset_in_any_order_with_empty_lines_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text("\ufeff" + GOOD.replace("7", "9") + "\n\n" + GOOD + "\n", encoding="utf-8")
    trace = read_dataset(path)
    assert trace.arrival_ns == (7, 9)
    assert trace.lines == (3, 1)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_a_dataset_without_requests(tmp_path, text):
    path = tmp_path / "trace.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match="holds no requests"):
        read_dataset(path)


def test_a_dataset_that_is_not_text(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_bytes(GOOD.encode() + b"\n\xff\xfe\n")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_dataset(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_dataset(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ("--dataset workloads/nowhere.jsonl", 2, "nowhere.jsonl: cannot be read"),
        ("--cluster-config nowhere.json", 2, "nowhere.json: cannot be read"),
        ("--dtype float17", 2, "--dtype is 'float17'; did you mean float16"),
        ("--block-size 0", 2, "--block-size is 0"),
        ("--log-interval 0", 2, "log interval is 0 s"),
        ("--dataset long.jsonl", 2, "long.jsonl:2: 600000 prompt and 5 output tokens"),
    ],
)
def test_the_command_refuses_and_writes_nothing(example, capsys, change, status, says):
    (example / "long.jsonl").write_text(GOOD + "\n" + GOOD.replace("10", "600000") + "\n")
    assert call(f"{AS_PRINTED} {change}") == status
    printed = capsys.readouterr()
    assert says in printed.err
    assert not (example / "outputs").exists()


def test_the_command_needs_a_dataset_and_one_thing_to_simulate(example, capsys):
    assert call("simulate --cluster-config configs/cluster/single_node_pd_instance.json") == 2
    assert "--cluster-config needs --dataset" in capsys.readouterr().err
    assert call("simulate some.yaml --cluster-config x.json --dataset y.jsonl") == 2


def test_an_interrupted_write_leaves_nothing(tmp_path):
    target = tmp_path / "outputs" / "run.csv"

    def rows():
        yield [0] * len(CSV_FIELDS)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_requests_csv(target, rows())
    assert list((tmp_path / "outputs").iterdir()) == []


def test_an_interrupted_run_leaves_nothing_and_the_old_file_alone(example, monkeypatch):
    (example / "outputs").mkdir()
    old = example / "outputs" / "pd_split_run.csv"
    old.write_text("old\n")

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("pdplan.interop.llmservingsim_fleet.simulate_cluster", interrupted)
    assert call(AS_PRINTED) == 130
    assert old.read_text() == "old\n"
    assert list((example / "outputs").iterdir()) == [old]


def test_output_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        write_requests_csv(tmp_path, [])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_requests_csv(tmp_path / "file" / "run.csv", [])


def test_rows_of_a_request_with_one_token(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text(GOOD.replace("5", "1"))
    trace = read_dataset(path)
    fleet = build_fleet(read_cluster_config(ONE_ONE))
    (row,) = request_rows(serve_trace(fleet, trace), "m", trace.arrival_ns)
    named = dict(zip(CSV_FIELDS, row, strict=True))
    assert (named["TPOT"], named["ITL"], named["instance id"]) == (0, "[]", 0)
    assert named["TTFT"] == named["latency"]


def test_layouts_of_a_log_line():
    two = Interval(21, 21.0, 2500.0, 860.0, (6, 4), (0, 0))
    assert interval_text(two, ("combined", "combined"), (63.2e9, 63.2e9)) == (
        "[INFO] step=21 inst0_batch=6 inst1_batch=4 prompt_t=2.5k tok/s decode_t=860 tok/s\n"
        "       npu_mem=[63.2 GB, 63.2 GB]"
    )
    mixed = Interval(1, 1.0, 999.6, 0.0, (1, 2, 3, 4), (0, 0, 0, 0))
    text = interval_text(mixed, ("prefill", "prefill", "decode", "combined"), (1e9,) * 4)
    assert text.startswith("[INFO] step=1 P=3 D=3 inst3_batch=4 prompt_t=1.0k tok/s decode_t=0 tok/s\n")
