"""The API answers what the command line answers, and turns down the rest with 4xx and one line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("httpx2", reason="httpx2 is not installed")
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pdplan.errors import PdplanError
from pdplan.planner.json_answers import plan_answer, split_answer
from pdplan.spec.builtin import BUILTIN
from pdplan.web.api import Api
from pdplan.web.guard import one_line, read_scenario
from pdplan.web.limits import Limits
from pdplan.web.pool import Busy, Pool
from pdplan.web.process import TaskError, TaskStopped
from pdplan.web.tasks import TASKS

IMPOSSIBLE = BUILTIN.replace("tpot: {p95: 50 ms}", "tpot: {p95: 1 ms}")


class Here(Pool):
    """Does tasks in this process: what the answers are does not depend on where they are computed."""

    def __init__(self) -> None:
        super().__init__(1, lambda: None, 4)  # type: ignore[arg-type, return-value]
        self.asked = 0
        self.raises: Exception | None = None

    async def ask(self, task: str, *arguments: Any, **_: Any) -> Any:
        self.asked += 1
        if self.raises is not None:
            raise self.raises
        try:
            return TASKS[task](lambda _: None, *arguments)
        except PdplanError as error:
            raise TaskError(one_line(error), error.exit_code) from None


@pytest.fixture(scope="module")
def pool() -> Here:
    return Here()


@pytest.fixture(scope="module")
def client(pool: Here) -> Iterator[TestClient]:
    limits = Limits(body_bytes=20_000, body_s=2.0)
    with TestClient(Starlette(routes=Api(pool, limits).routes())) as made:
        yield made


def refused(answer: Any, status: int) -> str:
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    line = str(answer.json()["error"])
    assert line.isprintable()
    assert len(line) <= 500
    return line


def test_a_plan_is_the_bytes_of_the_command_line(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    from pdplan.cli.app import app

    app(["plan", "--json", "--brief", "--no-verify"], standalone_mode=False)
    printed = capsys.readouterr().out
    answer = client.post("/api/plan?verify=false&brief=true", content=BUILTIN)
    assert answer.status_code == 200
    assert answer.headers["x-pdplan-exit-code"] == "0"
    assert answer.content == printed.encode()


def test_json_asks_as_well_as_yaml(client: TestClient) -> None:
    import yaml

    as_json = json.dumps(yaml.safe_load(BUILTIN))
    answers = [client.post("/api/split?verify=false", content=text).content for text in (BUILTIN, as_json)]
    assert answers[0] == answers[1] == split_answer(read_scenario(BUILTIN), verify=False).text.encode()


def test_an_honest_no_is_an_answer(client: TestClient) -> None:
    answer = client.post("/api/plan?verify=false&brief=true", content=IMPOSSIBLE)
    assert answer.status_code == 200
    assert answer.headers["x-pdplan-exit-code"] == "1"
    assert answer.json()["feasible"] is False
    assert answer.text == plan_answer(read_scenario(IMPOSSIBLE), verify=False).text


def test_the_same_question_is_computed_once(client: TestClient, pool: Here) -> None:
    text = BUILTIN.replace("8 req/s", "9 req/s")
    before = pool.asked
    a, b = (client.post("/api/plan?verify=false&brief=true", content=text).content for _ in range(2))
    assert a == b
    assert pool.asked == before + 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "empty"),
        ("   \n", "empty"),
        ("version: 1\nmodle: x", "scenario:2: unknown key 'modle'"),
        ("{]", "not valid YAML"),
        ("[" * 10_000, "nested too deeply"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("!!python/object/apply:os.system [id]", "not a mapping"),
        (BUILTIN.replace("8 req/s", "-8 req/s"), "rate"),
        (BUILTIN.replace("8 req/s", ".nan"), "rate"),
        (BUILTIN.replace("chat\n", "'<script>alert(1)</script>'\n"), "letters, digits"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_what_is_wrong_is_turned_down(client: TestClient, body: str | bytes, said: str) -> None:
    assert said in refused(client.post("/api/plan", content=body), 400)


def test_a_file_is_not_read(client: TestClient) -> None:
    text = BUILTIN.replace("model: llama-3.1-70b", "model: /etc/passwd")
    assert "files of the server are not read" in refused(client.post("/api/plan", content=text), 400)


def test_a_large_body_is_turned_down_said_or_not(client: TestClient) -> None:
    body = b"#" * 30_000
    assert "larger than" in refused(client.post("/api/plan", content=body), 413)
    pieces = (body[i : i + 1000] for i in range(0, len(body), 1000))
    assert "larger than" in refused(client.post("/api/plan", content=pieces), 413)


@pytest.mark.parametrize(
    "query",
    [
        "seed=-1",
        "seed=x",
        "seed=1e3",
        "requests=10",
        "requests=99999999",
        "verify=maybe",
        "brief=1",
        "file=/etc/passwd",
    ],
)
def test_parameters_out_of_range_are_turned_down(client: TestClient, query: str) -> None:
    refused(client.post(f"/api/plan?{query}", content=BUILTIN), 400)


def test_other_ways_to_ask_are_named(client: TestClient) -> None:
    assert "/api/{plan|split|validate}" in refused(client.get("/api/plan"), 405)
    assert "plan, split, validate" in refused(client.post("/api/simulate", content=BUILTIN), 404)


@pytest.mark.parametrize(
    ("raised", "status", "header"),
    [
        (Busy(), 429, "Retry-After"),
        (TaskStopped("it takes longer than this server computes"), 422, ""),
        (TaskError("a bug in pdplan: KeyError: 'x'", 3), 500, "X-Pdplan-Exit-Code"),
    ],
)
def test_ends_have_their_status(
    client: TestClient, pool: Here, raised: Exception, status: int, header: str
) -> None:
    pool.raises = raised
    try:
        answer = client.post("/api/plan", content=BUILTIN.replace("8 req/s", "7 req/s"))
        refused(answer, status)
        assert not header or header in answer.headers
    finally:
        pool.raises = None


class _Slow:
    """A worker that takes its time."""

    def __init__(self) -> None:
        self.cancelled = False

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def cancel(self) -> None:
        self.cancelled = True

    def ask(self, task: str, arguments: Any, **_: Any) -> Any:
        import time

        time.sleep(0.1)
        return task, arguments


def test_a_pool_bounds_its_queue_and_keeps_answers_apart() -> None:
    async def many() -> list[Any]:
        pool = Pool(2, _Slow, 3)  # type: ignore[arg-type]
        pool.start()
        asked = [pool.ask("t", i, limit_s=1.0, patience_s=5.0) for i in range(10)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        pool.stop()
        return found

    found = asyncio.run(many())
    answered = [f for f in found if isinstance(f, tuple)]
    assert [f[1] for f in answered] == [(i,) for i in range(len(answered))]
    assert len(answered) == 5  # two at once and three waiting
    assert all(isinstance(f, Busy) for f in found[5:])


def test_a_pool_loses_patience() -> None:
    async def two() -> Any:
        pool = Pool(1, _Slow, 3)  # type: ignore[arg-type]
        pool.start()
        first = asyncio.create_task(pool.ask("t", limit_s=1.0))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await pool.ask("t", limit_s=1.0, patience_s=0.01)
        await first
        pool.stop()

    asyncio.run(two())


def test_threads_of_a_pool_end() -> None:
    pool = Pool(1, _Slow, 1)  # type: ignore[arg-type]
    assert isinstance(pool._threads, ThreadPoolExecutor)
    pool.stop()
    assert pool._threads._shutdown
