"""Differential privacy for whole homes: the mechanisms and the accountant. Clipping and noise: `fl.dp.noise`.

What is protected is everything a home has, not one reading (user-level privacy; McMahan et al., ICLR 2018). An update
is clipped to an L2 norm C and Gaussian noise is added:

    central       by the coordinator, which sees the updates: N(0, (zC)^2) on their sum
    local         by each home on its own update: N(0, (zC)^2); nobody else is trusted
    distributed   by each home, a part of the noise, under secure aggregation: N(0, (zC)^2) on the sum at least

z is `noise_multiplier`. Adaptive clipping (Andrew et al., NeurIPS 2021) moves C to a quantile of the updates' norms,
estimated by a count that is noised as well.

Training and evaluation losses are no part of the guarantee, so homes withhold them in `local` and `distributed`. No
amplification by sampling is claimed: which homes a round asks is drawn from a seed that is not secret.
"""

from __future__ import annotations

import math

import dp_accounting

from fl.protection_settings import PrivacySettings


def epsilon(settings: PrivacySettings, releases: int) -> float:
    """Epsilon, for `settings.delta`, after so many releases of noisy updates or sums.

    Releases of the Gaussian mechanism compose to one with z / sqrt(releases) (Dong et al., 2022), whose epsilon
    dp_accounting computes exactly (Balle and Wang, ICML 2018). Neighbouring data: without one home's update in
    `central` and `distributed`; any other update in its place in `local`, where the sensitivity is therefore 2C.
    """
    if settings.mode == "off":
        return math.inf
    multiplier = settings.noise_multiplier / (2 if settings.mode == "local" else 1)
    return epsilon_of(releases / multiplier**2, settings.delta)


def epsilon_of(precision: float, delta: float) -> float:
    """Epsilon of Gaussian noise, or of a composition of it: `precision` is the sum of 1/sigma^2, in sensitivities."""
    return float(dp_accounting.get_epsilon_gaussian(precision**-0.5, delta)) if precision else 0.0


def epsilon_of_days(noise_multiplier: float, sampling: float, steps: int, delta: float, windows: int = 8) -> float:
    """Epsilon, for one day of a home's readings, of so many steps of training with noise (DP-SGD: Abadi et al. 2016).

    Args:
        noise_multiplier: standard deviation of the noise in units of the longest gradient of a window.
        sampling: chance of each window to be in a step, drawn anew each time and told to nobody.
        windows: those that one day of readings is in: as the day to be forecast, and in the week before seven others.

    The windows of a day come and go together; how many of them a step has is binomial. That is a mixture of Gaussians
    (Ganesh, "Tight group-level DP guarantees for DP-SGD", 2024), whose loss dp_accounting composes exactly.
    Neighbouring data: with the day, and without it and the windows that it is in.
    """
    from dp_accounting.pld import privacy_loss_distribution

    if steps == 0:
        return 0.0
    chances = [math.comb(windows, k) * sampling**k * (1 - sampling) ** (windows - k) for k in range(windows + 1)]
    loss = privacy_loss_distribution.from_mixture_gaussian_mechanism(
        noise_multiplier, list(range(windows + 1)), chances, value_discretization_interval=5e-3
    )
    return float(loss.self_compose(steps).get_epsilon_for_delta(delta))


def noise_multiplier_for(target: float, releases: int, settings: PrivacySettings) -> float:
    """The z that spends epsilon `target` in so many releases: the inverse of `epsilon`."""
    sigma = dp_accounting.get_sigma_gaussian(target, settings.delta) * math.sqrt(releases)
    return float(sigma * (2 if settings.mode == "local" else 1))
