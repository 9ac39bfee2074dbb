# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks as they were: S of Hornauer et al., the shipped one, and the one in use."""

from __future__ import annotations

import copy

from mono_depth_ros.adaptation.batch_norm import fold_batch_norms
from mono_depth_ros.model.fastdepth import ENCODER_PARTS, FastDepth, Features
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
        self._folded = copy.deepcopy(self.network)
        fold_batch_norms(self._folded)
        for same in (self.network, self._folded):
            same.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._features: dict[int, Features] = {}
        self._depths: dict[int, Tensor] = {}
        self._latents: dict[tuple[str, int], Tensor] = {}

    def encodes_like(self, network: FastDepth) -> bool:
        """Whether another network has the very same encoder, so that features serve both."""
        mine, other = self.network.state_dict(), network.state_dict()
        return all(
            torch.equal(value, other[name])
            for name, value in mine.items()
            if name.split('.')[0] in ENCODER_PARTS
        )

    @torch.no_grad()
    def encode(self, rgb: Tensor) -> Features:
        """Return `FastDepth.encode` of images (B, 3, h, w)."""
        return self._folded.encode(rgb)

    @torch.no_grad()
    def log_depth(self, rgb: Tensor, features: Features | None = None) -> Tensor:
        """Return ln of metres (B, h, w); ``features`` are of a network that encodes like this."""
        return self._folded.decode(self.encode(rgb) if features is None else features)

    @torch.no_grad()
    def target_features(self, rgb: Tensor, index: tuple[int, ...]) -> Features:
        """Return the features of target images, which are kept, as half floats."""
        missing = [row for row, key in enumerate(index) if key not in self._features]
        if missing:
            levels = self.encode(rgb[missing])
            for row, values in zip(missing, zip(*levels, strict=True), strict=True):
                self._features[index[row]] = tuple(value.half() for value in values)
        rows = zip(*(self._features[key] for key in index), strict=True)
        layout = torch.channels_last
        return tuple(torch.stack(row).float().contiguous(memory_format=layout) for row in rows)

    @torch.no_grad()
    def target_log_depth(
        self, rgb: Tensor, index: tuple[int, ...], features: Features | None = None
    ) -> Tensor:
        """Return `log_depth` (B, h, w) of target images, which is kept, as half floats."""
        missing = [row for row, key in enumerate(index) if key not in self._depths]
        if missing:
            known = None if features is None else tuple(level[missing] for level in features)
            for row, value in zip(missing, self.log_depth(rgb[missing], known), strict=True):
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
            return self.encode(rgb)[0]
        missing = [row for row, key in enumerate(keys) if key not in self._latents]
        if missing:
            latent = self.encode(rgb[missing])[0]
            for row, value in zip(missing, latent, strict=True):
                self._latents[keys[row]] = value.half()
        return torch.stack([self._latents[key] for key in keys]).float()
