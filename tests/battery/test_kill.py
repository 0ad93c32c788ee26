"""SIGKILL at random moments, thirty times: the model at the end is the uninterrupted one to the bit."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from facts import FACTS

from munmaek import systems

KILLS = 30
STEPS = 1500
SCRIPT = """
import json, sys
from munmaek.data.homographs import HomographCorpus
from munmaek.run.pretrain import pretrain

pretrain(sys.argv[1], corpus=HomographCorpus(seed=5, count=200), out=sys.argv[2], cache=sys.argv[3], size="tiny",
         budget=sys.argv[4] + " steps", vocab_size=800, device="cpu", save_every_steps=5,
         settings=json.loads(sys.argv[5]) | {"batch_tokens": 256, "max_length": 48, "precision": "fp32"},
         progress=lambda event: print(event.step, flush=True))
"""


def start(system: str, out: Path, cache: Path) -> subprocess.Popen[str]:
    settings = json.dumps(dict(FACTS[system].smallest))
    command = [sys.executable, "-c", SCRIPT, system, str(out), str(cache), str(STEPS), settings]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("system", systems.NAMES)
def test_killed_thirty_times_equals_uninterrupted(system: str, tmp_path: Path) -> None:
    if "test_killed_thirty_times_equals_uninterrupted" in FACTS[system].not_asked:
        pytest.skip(FACTS[system].not_asked["test_killed_thirty_times_equals_uninterrupted"])
    whole = start(system, tmp_path / "whole", tmp_path / "cache")
    assert whole.communicate()[0].split()[-1] == str(STEPS)
    moments = random.Random(7)
    reached = 0
    for _ in range(KILLS):
        process = start(system, tmp_path / "killed", tmp_path / "cache")
        assert process.stdout is not None
        first = int(process.stdout.readline())
        assert first <= reached + 1, "steps were skipped"
        last = first
        for _ in range(moments.randint(0, 40)):
            last = int(process.stdout.readline())
        time.sleep(moments.random() * 0.02)  # anywhere in a step, a save or a rename
        process.kill()
        process.communicate()
        reached = max(reached, last) + 40
    process = start(system, tmp_path / "killed", tmp_path / "cache")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert int(output.split()[0]) > 1
    assert int(output.split()[-1]) == STEPS
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert list((tmp_path / "killed").rglob("*.tmp")) == []
