"""A run that is killed and started again has the curve of one that was not (requires: requirements-train.txt)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from micromind import folders, sft
from tests.micromind.tiny import model_folder, write_lines

pytestmark = pytest.mark.filterwarnings("default")

ROOT = Path(__file__).parents[2]
STEPS = 12
# The stage as its own process, which stops for ever once the checkpoint of step 6 is whole and step 8 is done.
KILLED = """
import sys, time, torch
from transformers import Trainer
from micromind import sources, sft
torch.set_num_threads(1)
sources.OWN, sources.THIRD_PARTY, sources.SYNTHETIC_SFT = (), (), 0
done = Trainer.training_step
def step(self, *given, **named):
    if self.state.global_step == 8:
        print("WAITING", flush=True)
        time.sleep(600)
    return done(self, *given, **named)
Trainer.training_step = step
sft.main(sys.argv[1:])
"""


def test_killed_and_resumed_gives_the_same_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("OWN", ()), ("THIRD_PARTY", ()), ("SYNTHETIC_SFT", 0)):
        monkeypatch.setattr(sft.data.sources, name, value)
    base = model_folder(tmp_path / "base")
    words = ("red", "blue", "green", "one", "two", "三", "四", "五")
    chats = [[{"role": "user", "content": f"{a} {b}?"}, {"role": "assistant", "content": f"{b} {a}"}] for a in words for b in words]
    mine = write_lines(tmp_path / "mine.jsonl", *({"messages": chat} for chat in chats))
    common = ["--model", str(base), "--conversations", str(mine), "--steps", str(STEPS), "--save-steps", "3", "--batch", "2", "--length", "64"]
    common += ["--rate", "0.01", "--no-bf16", "--report-to", "none"]
    sft.main([*common, "--output", str(tmp_path / "whole")])

    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-c", KILLED, *common, "--output", str(tmp_path / "killed")]
    with subprocess.Popen(arguments, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert any("WAITING" in line for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    half = tmp_path / "killed" / folders.CHECKPOINTS / "checkpoint-9"  # as if it had been killed while writing the next one
    half.mkdir()
    (half / "trainer_state.json").write_text('{"epoch": 1.', encoding="utf-8")
    assert not (tmp_path / "killed" / "config.json").exists()
    sft.main([*common, "--output", str(tmp_path / "killed")])

    curves = [[(e["step"], e["loss"]) for e in folders.read_record(tmp_path / name)["curve"] if "loss" in e] for name in ("whole", "killed")]
    assert len(curves[0]) == STEPS
    assert curves[0] == curves[1]
    assert (tmp_path / "whole" / "model.safetensors").read_bytes() == (tmp_path / "killed" / "model.safetensors").read_bytes()
