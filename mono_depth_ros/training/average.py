# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exponential moving average of a network's weights and statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import nn, Tensor

Network = TypeVar('Network', bound=nn.Module)


class WeightAverage:
    """
    Average of everything floating-point in a network, batch statistics included.

    The decay starts low, ``(1 + n) / (10 + n)`` after n updates, so that the random initial
    weights are forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.values = {k: v.detach().clone() for k, v in _floating(network).items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the network."""
        self.updates += 1
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        current = _floating(network)
        torch._foreach_lerp_(
            list(self.values.values()), [current[name] for name in self.values], weight
        )

    def applied_to(self, network: Network) -> Network:
        """Load the average into ``network`` and return it in evaluation mode."""
        network.load_state_dict(self.values, strict=False)
        return network.eval()

    def state_dict(self) -> dict[str, Tensor | int]:
        """Return the average and its age."""
        return {**self.values, '_updates': self.updates}

    def load_state_dict(self, state: Mapping[str, Tensor | int]) -> None:
        """Restore what `state_dict` returned."""
        self.updates = int(state['_updates'])
        for name, value in self.values.items():
            value.copy_(torch.as_tensor(state[name]))


def _floating(network: nn.Module) -> dict[str, Tensor]:
    return {k: v for k, v in network.state_dict().items() if v.is_floating_point()}
