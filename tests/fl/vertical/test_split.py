"""Split learning is joint learning: the same losses and gradients as one model with both parties' columns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.day import HOURS_PER_DAY
from fl.vertical.home import batch_of, kept_days
from fl.vertical.split import HomePart, PartnerPart, clipped, loss_of, noised
from forecasting.model import LoadForecaster, tensors
from tests.fl.vertical.session_fixture import SHAPE, Community
from tests.fl.vertical.session_names import COLUMNS, HOMES
from tests.support.laws import examples


def test_gradients_are_those_of_the_joint_model() -> None:
    """Two steps; in the second all parties have moved. The oracle has all columns and labels, and autograd."""
    one = Community({"dropout": 0.25, "cut_norm": 0.5})
    one.session.match()
    terms = one.terms
    joint_partner = PartnerPart(len(COLUMNS), terms.cut, terms.cut_norm, terms.seed + 1)
    joint_homes = {home: HomePart(LoadForecaster(SHAPE, 3), terms.cut, terms.seed) for home in HOMES}
    home_steps = {h: torch.optim.Adam(part.rates(terms.learning_rate)) for h, part in joint_homes.items()}
    partner_step = torch.optim.Adam(joint_partner.parameters(), lr=terms.learning_rate)
    learnt = np.concatenate([one.partner_columns(home) for home in HOMES])
    mean, deviation = learnt.mean(axis=0), learnt.std(axis=0)
    for number in (1, 2):
        one.session.learn(1)
        partner_step.zero_grad()
        hours = 0
        for home in HOMES:
            chosen = batch_of(terms, number, home, len(one.learnt(home)))
            batch = one.learnt(home).where(chosen)
            columns = one.partner_columns(home).reshape(-1, HOURS_PER_DAY, len(COLUMNS))[chosen]
            cut = joint_partner(torch.from_numpy(((columns - mean) / deviation).astype(np.float32)))
            history, steps, exogenous, target = tensors(batch)
            present = torch.from_numpy(kept_days(terms, number, home, len(batch)))
            assert 0 < present.sum() < len(present)
            forecast, scale = joint_homes[home](history, steps, exogenous, cut, present)
            losses = loss_of(forecast, target, scale, 0.5)
            hours += losses.numel()
            home_steps[home].zero_grad()
            losses.sum().backward()
            for parameter in joint_homes[home].parameters():
                parameter.grad = None if parameter.grad is None else parameter.grad / losses.numel()
            home_steps[home].step()
            joint_homes[home].forecaster.project()
        for parameter in joint_partner.parameters():
            assert parameter.grad is not None
            parameter.grad /= hours
        one.partner_now._learn(number, one.session._gradients)  # what the next step begins with
        for split, joint in zip(one.partner_now.part.parameters(), joint_partner.parameters(), strict=True):
            assert split.grad is not None and joint.grad is not None
            torch.testing.assert_close(split.grad, joint.grad, rtol=0, atol=1e-6)
        one.session._gradients = {}
        partner_step.step()
        for home in HOMES:
            for split, joint in zip(one.side(home).model.parameters(), joint_homes[home].parameters(), strict=True):
                torch.testing.assert_close(split, joint, rtol=0, atol=1e-6)


@examples(20)
@given(st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=4), st.floats(0.1, 5))
def test_a_cut_is_never_longer_than_its_norm(values: list[float], norm: float) -> None:
    one = torch.tensor([values])
    short = clipped(one, norm)
    assert float(short.norm()) <= norm * 1.0001
    if float(one.norm()) <= norm:
        torch.testing.assert_close(short, one)


def test_noise_has_the_deviation_that_is_asked_for_and_none_is_none() -> None:
    values = torch.ones(200, 24, 2)
    noisy = noised(values, 0.5)
    assert float(noisy.std()) == pytest.approx(0.5, rel=0.05) and float(noisy.mean()) == pytest.approx(1, abs=0.02)
    assert noised(values, 0) is values
    assert not torch.equal(noised(values, 0.5), noisy)


def test_what_leaves_a_party_is_clipped_and_has_its_noise() -> None:
    one = Community({"cut_norm": 0.1, "cut_noise": 0.0, "gradient_norm": 1e-3})
    one.session.match()
    one.session.learn(2)
    partner, ada = one.partner_now, one.side("ada-lovelace")
    cut = partner.part(partner._batch("ada-lovelace", partner._homes["ada-lovelace"], 1))
    assert float(cut.detach().norm(dim=2).max()) <= 0.1 * 1.0001
    batch = ada._learnt.where(batch_of(one.terms, 3, "ada-lovelace", len(ada._learnt)))
    gradient = ada.learn(batch, torch.zeros(len(batch), 24, 2), torch.ones(len(batch), dtype=torch.bool))
    assert float(clipped(gradient, 1e-3).norm(dim=2).max()) <= 1e-3 * 1.0001


def test_without_the_partner_what_is_left_is_the_meters_forecast() -> None:
    part = HomePart(LoadForecaster(SHAPE, 3), 2, 1)
    history, steps, exogenous, _ = tensors(Community().windows["ada-lovelace"])
    absent = torch.zeros(len(history), dtype=torch.bool)
    alone, _ = part(history, steps, exogenous, torch.full((len(history), 24, 2), 9.0), absent)
    torch.testing.assert_close(alone.transpose(1, 2).flatten(1), part.forecaster(history, steps, exogenous))
