"""A server that is not there, is something else, or refuses: one clear line each."""

from __future__ import annotations

import json
import socket
import time
from types import SimpleNamespace

import pytest

from pdplan.errors import InputError
from pdplan.interop.prometheus import PrometheusClient


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match=r"cannot be reached: .*refused.*; check --prometheus"):
        PrometheusClient(f"http://127.0.0.1:{port}").now_s()


@pytest.mark.parametrize(
    "url", ["", "prometheus:9090", "ftp://x", "http://", "http://h:99999", "http://h/?x=1", "http://u:p@h"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(InputError, match="--prometheus"):
        PrometheusClient(url)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, b"<html>hello</html>", "does not answer like a Prometheus server"),
        (200, b"\xff\xfe\x00", "does not answer like a Prometheus server"),
        (200, b"", "does not answer like a Prometheus server"),
        (200, b"[1, 2]", "does not answer like a Prometheus server"),
        (200, b'{"status": "success", "data": {"resultType": "vector"}}', "does not answer like"),
        (
            200,
            b'{"status": "success", "data": {"resultType": "scalar", "result": []}}',
            "does not answer like",
        ),
        (200, b'{"status": "success"}', "does not answer like"),
        (404, b"404 page not found", "has no /api/v1/query"),
        (401, b"", "refuses access (HTTP 401): give a bearer token in --token-file"),
        (403, b"no", "refuses access (HTTP 403)"),
        (
            400,
            b'{"status": "error", "error": "parse\\nerror"}',
            "refuses the query: parse error; check --selector",
        ),
        (422, b'{"status": "error", "error": "too many samples"}', "refuses the query: too many samples"),
        (503, b"down", "fails: HTTP 503; try again later"),
        (500, b'{"error": "boom"}', "fails: HTTP 500: boom; try again later"),
    ],
)
def test_answers_that_are_not_the_one(lab: SimpleNamespace, status: int, body: bytes, says: str) -> None:
    with lab.serve(lambda *_: (status, {}, body)) as url, pytest.raises(InputError) as error:
        PrometheusClient(url).now_s()
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_redirect_is_not_followed_with_the_token(lab: SimpleNamespace) -> None:
    there: list[str] = []

    def elsewhere(path: str, _: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        there.append(path)
        return 200, {}, b"{}"

    with lab.serve(elsewhere) as target:
        redirect = lambda *_: (302, {"Location": f"{target}/x"}, b"")  # noqa: E731
        with lab.serve(redirect) as url, pytest.raises(InputError, match=r"redirects to .*/x: give that"):
            PrometheusClient(url, "secret").now_s()
    assert not there


def test_the_token_is_sent_and_never_shown(lab: SimpleNamespace) -> None:
    seen: list[str | None] = []

    def respond(_: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        seen.append(headers.get("Authorization"))
        return (
            200,
            {},
            json.dumps({"status": "success", "data": {"resultType": "scalar", "result": [5, "5"]}}).encode(),
        )

    with lab.serve(respond) as url:
        client = PrometheusClient(url + "/", "secret")
        assert client.now_s() == 5.0
    assert seen == ["Bearer secret"]
    assert "secret" not in repr(client)


def test_no_answer_in_time(lab: SimpleNamespace) -> None:
    def slow(*_: object) -> tuple[int, dict[str, str], bytes]:
        time.sleep(0.5)
        return 200, {}, b""

    with lab.serve(slow) as url, pytest.raises(InputError, match=r"no answer within 0\.1 s"):
        PrometheusClient(url, timeout_s=0.1).now_s()


def test_an_answer_cut_short(lab: SimpleNamespace) -> None:
    cut = lambda *_: (200, {"Content-Length": "1000"}, b'{"status"')  # noqa: E731
    with lab.serve(cut) as url, pytest.raises(InputError, match="cannot be reached"):
        PrometheusClient(url, timeout_s=0.3).now_s()
