"""AdamW without TorchDynamo takes the steps of PyTorch's own class, bit for bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from forecasting.adamw import AdamW

ROOT = Path(__file__).parents[2]


def trained(ours: bool) -> list[torch.Tensor]:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2))
    inputs, target = torch.randn(64, 5), torch.randn(64, 2)
    optimiser = (
        AdamW(model.parameters(), 3e-3, 1e-2)
        if ours
        else torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    )
    for _ in range(20):
        optimiser.zero_grad()
        nn.functional.mse_loss(model(inputs), target).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return [p.detach() for p in model.parameters()]


def test_the_steps_are_those_of_pytorchs_class() -> None:
    assert all(torch.equal(a, b) for a, b in zip(trained(ours=True), trained(ours=False), strict=True))


@pytest.mark.process
def test_training_a_home_loads_no_compiler() -> None:
    code = """
import sys
import numpy as np
import pytest
from forecasting.model import LoadForecaster
from forecasting.shape import ModelShape
from forecasting.settings import ModelSettings
from forecasting.training import train_epochs
from tests.fl.federation import made_up_windows
windows = made_up_windows(("home",), days=20)
model = LoadForecaster(ModelShape.of(ModelSettings(hidden=4)))
train_epochs(model, windows, epochs=1, learning_rate=1e-3, batch=8, huber=1.0, seed=1)
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
