# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of a MobileNet that was trained elsewhere, for the encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from mono_depth_ros.errors import ModelError
from mono_depth_ros.model.fastdepth import FastDepth
import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor

# Weight (out, in, k, k) and bias (out,) of a convolution that its batch norm was folded into.
Layer = tuple[NDArray[np.float32], NDArray[np.float32]]


def encoder_layers(network: FastDepth) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Yield the convolutions of stem and encoder in order, each with its batch norm."""
    for part in (network.stem, *network.encoder):
        yield from zip(list(part)[::3], list(part)[1::3], strict=True)


@torch.no_grad()
def fill_encoder(network: FastDepth, layers: Iterable[Layer], images: Tensor) -> None:
    """
    Let stem and encoder compute what the convolutions of another network compute.

    Batch norms get the mean and the variance that ``images`` have there, and the gain and the
    bias that undo them; so statistics are there that adaptation can move.

    Parameters
    ----------
    network : FastDepth
        Changed in place; coordinates, which the other network does not know, get no influence.
    layers : iterable of Layer
        In order; its network takes colours in [-1, 1].
    images : Tensor, shape (B, 3, H, W)
        Colours in [0, 1].

    Raises
    ------
    ModelError
        If there are too few layers, or one has another shape.

    """
    foreign = iter(layers)
    hooks = []
    for number, (conv, norm) in enumerate(encoder_layers(network)):
        weight, bias = map(torch.from_numpy, next(foreign, (np.empty(0), np.empty(0))))
        if conv.weight.shape != weight.shape:
            raise ModelError(
                f'convolution {number} of the encoder has weights of shape '
                f'{tuple(conv.weight.shape)}, those given have {tuple(weight.shape)}'
            )
        if number == 0:  # 2 x - 1 is what the other network takes
            weight, bias = weight * 2, bias - weight.sum((1, 2, 3))
        conv.weight.copy_(weight)
        hooks.append(norm.register_forward_pre_hook(partial(_undo, bias=bias)))
    if network.position is not None:
        for weight in network.position[-1].parameters():
            nn.init.zeros_(weight)
    network.eval()(images)
    for hook in hooks:
        hook.remove()


def _undo(norm: nn.BatchNorm2d, inputs: tuple[Tensor], bias: Tensor) -> None:
    """Let a batch norm, about to see its first features, add this bias and do nothing else."""
    variance, mean = torch.var_mean(inputs[0], (0, 2, 3))
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(bias + mean)
