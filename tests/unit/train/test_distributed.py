"""Two processes under torchrun (gloo) see the samples that one sees, and find the same losses and weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sys, pathlib
sys.path.insert(0, sys.argv[2])
import torch
torch.set_num_threads(1)
from planted import RECIPE, PlantedModel, PlantedObjective
from munmaek.core.recipe import Budget
from munmaek.core.runtime import world
from munmaek.train.trainer import Job, train

model = PlantedModel(dropout=0.0)
losses = []
train(Job(model, PlantedObjective(), None, RECIPE, Budget.parse("24 steps"), device="cpu",
          folder=pathlib.Path(sys.argv[1]) / "training", identity={},
          progress=lambda e: losses.append(e.loss)))
if world()[0] == 0:
    facts = {"losses": losses, "weights": [p.tolist() for p in model.parameters()]}
    (pathlib.Path(sys.argv[1]) / "facts.json").write_text(json.dumps(facts))
"""


def run(folder: Path, processes: int) -> dict[str, list[float]]:
    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT)
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [sys.executable, *launch, str(folder / "script.py"), str(folder), str(Path(__file__).parent)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=180, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "facts.json").read_text())


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    one, two = run(tmp_path / "one", 1), run(tmp_path / "two", 2)
    assert one["losses"] == pytest.approx(two["losses"], abs=1e-5)
    flat = [str(one["weights"]), str(two["weights"])]
    numbers = [[float(x) for x in text.replace("[", "").replace("]", "").split(",")] for text in flat]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-5)
