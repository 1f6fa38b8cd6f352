"""A linear layer whose products oneDNN computes, also those of its gradients."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.utils.flop_counter import register_flop_formula

_product = torch.ops.mkldnn._linear_pointwise


class OneDnnLinear(nn.Linear):
    """`nn.Linear`, equal up to rounding. The weight stays as it is: nothing is packed or copied.

    One row alone is not a product of matrices, other number formats have their own kernels, and a
    traced network must consist of torch's own operations: there `nn.Linear` computes.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        plain = (
            torch.jit.is_tracing()
            or input.dtype is not torch.float32
            or self.weight.dtype is not torch.float32
            or input.numel() <= self.in_features
        )
        if plain:
            return super().forward(input)
        if torch.is_grad_enabled():
            return _Linear.apply(input, self.weight, self.bias)
        return linear(input, self.weight, self.bias)


def linear(
    input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """input @ weight.T + bias by oneDNN, float32; the weight may be a transposed view.

    No gradients flow through it.
    """
    return _product(input, weight, bias, "none", [], "")


class _Linear(torch.autograd.Function):
    """Keeps for the way back what the wanted gradients need, as torch does."""

    @staticmethod
    def forward(
        ctx: Any, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        of_input, of_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(input if of_weight else None, weight if of_input else None)
        return linear(input, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        rows = gradient.flatten(0, -2)
        return (
            None if weight is None else linear(gradient, weight.t()),
            # here MKL is as fast: both matrices would have to be turned for oneDNN
            None if input is None else rows.t() @ input.flatten(0, -2),
            rows.sum(dim=0) if ctx.needs_input_grad[2] else None,
        )


@register_flop_formula(_product)
def _operations(input: tuple[int, ...], weight: tuple[int, ...], *_: Any, **__: Any) -> int:
    """Multiplications and additions, as torch counts them of `mm`; the arguments are shapes."""
    return 2 * math.prod(input) * weight[0]
