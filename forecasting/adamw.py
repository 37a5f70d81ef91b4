"""AdamW (Loshchilov and Hutter, ICLR 2019) by PyTorch's functional form, the same steps as `torch.optim.AdamW`.

That class loads TorchDynamo when it is first used, 90 MB of memory that a gateway has no other use for.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adamw import adamw


class AdamW:
    """Moments and steps for `parameters`, with PyTorch's usual betas and epsilon."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float, weight_decay: float) -> None:
        self._parameters = list(parameters)
        self._rate, self._decay = learning_rate, weight_decay
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        self._steps = [torch.tensor(0.0) for _ in self._parameters]

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One step down the gradients; every parameter must have one."""
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        adamw(
            self._parameters, gradients, self._means, self._squares, [], self._steps, amsgrad=False, beta1=0.9,
            beta2=0.999, lr=self._rate, weight_decay=self._decay, eps=1e-8, maximize=False,
        )  # fmt: skip
