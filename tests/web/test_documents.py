"""The documents' commands that serve, and those that ask a server, run as they stand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from documents import ROOT, arguments, commands_of

pytestmark = pytest.mark.slow


def test_what_serves_serves(tmp_path: Path) -> None:
    lines = {tuple(arguments(line)) for line in commands_of("pdplan serve")}
    assert len(lines) >= 2
    for words in sorted(lines):
        log = tmp_path / "log"
        command = [sys.executable, "-m", "pdplan", *words, "--port", "0"]  # the documents' port may be taken
        with log.open("w") as out:
            process = subprocess.Popen(command, stderr=out, cwd=tmp_path, env=dict(os.environ))
        try:
            while "the page is at " not in log.read_text():
                assert process.poll() is None, log.read_text()
                time.sleep(0.2)
            address = log.read_text().split("the page is at ")[1].split()[0].replace("0.0.0.0", "127.0.0.1")
            with urllib.request.urlopen(address, timeout=60) as page:
                assert b"pdplan" in page.read()
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130, log.read_text()
        assert "Traceback" not in log.read_text()


def test_what_asks_is_answered(server: str) -> None:
    lines = commands_of("curl ")
    assert lines
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    for line in lines:
        words = [w.replace("http://127.0.0.1:8080", server) for w in arguments(line)]
        done = subprocess.run(["curl", *words], cwd=ROOT, capture_output=True, check=True, timeout=240)
        assert json.loads(done.stdout)["schema"] == "pdplan.plan/1"
