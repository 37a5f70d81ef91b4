"""Draws without PyTorch are those of its generator: simulation and gateways see the same batches."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from forecasting.generator import Generator
from forecasting.parameters import initial
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.support.laws import examples

SEEDS = st.integers(0, 2**63 - 1)


@given(seed=SEEDS, counts=st.lists(st.integers(0, 700), min_size=1, max_size=3))
@examples(50)
def test_permutations_are_pytorchs_one_after_the_other(seed: int, counts: list[int]) -> None:
    ours, pytorchs = Generator(seed), torch.Generator().manual_seed(seed)
    for count in counts:
        expected = torch.randperm(count, generator=pytorchs).numpy()
        np.testing.assert_array_equal(ours.permutation(count), expected)


@given(seed=SEEDS, hidden=st.integers(1, 64))
@examples(20)
def test_weights_begin_as_pytorch_would_draw_them(seed: int, hidden: int) -> None:
    torch.manual_seed(seed)
    lstm = torch.nn.LSTM(16, hidden)
    generator = Generator(seed)
    for parameter in lstm.parameters():
        drawn = generator.uniform(tuple(parameter.shape), hidden**-0.5)
        np.testing.assert_allclose(drawn, parameter.detach().numpy(), atol=1e-7)


def test_another_seed_begins_another_model() -> None:
    shape = ModelShape.of(ModelSettings(hidden=4))
    one, same, other = (initial(shape, seed) for seed in (1, 1, 2))
    assert {name: array.shape for name, array in one.items()} == shape.parameters()
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["lstm.weight_hh_l0"], other["lstm.weight_hh_l0"])
    assert not np.array_equal(one["head.weight"], other["head.weight"])
