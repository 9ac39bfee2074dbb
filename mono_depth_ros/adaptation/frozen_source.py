# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks as they were: S of Hornauer et al., the shipped one, and the one in use."""

from __future__ import annotations

import copy

from mono_depth_ros.model.fastdepth import FastDepth
import torch
from torch import Tensor


class FrozenSource:
    """
    A network that stays; its answers to images that come again and again are kept.

    Parameters
    ----------
    network : FastDepth
        Copied.
    device : torch.device
        Where it runs.

    Attributes
    ----------
    network : FastDepth
        The copy.

    """

    def __init__(self, network: FastDepth, device: torch.device) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False).to(device)
        self._depths: dict[int, Tensor] = {}
        self._latents: dict[tuple[str, int], Tensor] = {}

    @torch.no_grad()
    def log_depth(self, rgb: Tensor) -> Tensor:
        """Return ln of metres (B, h, w)."""
        return self.network.log_depth(rgb)[0]

    @torch.no_grad()
    def target_log_depth(self, rgb: Tensor, index: tuple[int, ...]) -> Tensor:
        """Return ln of metres (B, h, w) of target images, which are kept, as half floats."""
        missing = [row for row, key in enumerate(index) if key not in self._depths]
        if missing:
            for row, value in zip(missing, self.log_depth(rgb[missing]), strict=True):
                self._depths[index[row]] = value.half()
        return torch.stack([self._depths[key] for key in index]).float()

    @torch.no_grad()
    def latent(self, domain: str, rgb: Tensor, index: tuple[int, ...]) -> Tensor:
        """
        Return S_z of images (B, 3, h, w).

        Those that have a number in ``index`` are kept, as half floats; without numbers none is.
        """
        keys = [(domain, number) for number in index]
        if not keys:
            return self.network.log_depth(rgb)[1]
        missing = [row for row, key in enumerate(keys) if key not in self._latents]
        if missing:
            _, latent = self.network.log_depth(rgb[missing])
            for row, value in zip(missing, latent, strict=True):
                self._latents[keys[row]] = value.half()
        return torch.stack([self._latents[key] for key in keys]).float()
