# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batch norms: AdaBN, statistics moved towards those of the target (Li et al. 2016); folding."""

from __future__ import annotations

from collections.abc import Iterable
import copy
import itertools

from mono_depth_ros.model.fastdepth import FastDepth
import torch
from torch import nn, Tensor
from torch.nn.utils.fusion import fuse_conv_bn_eval


@torch.no_grad()
def blend_batch_statistics(network: FastDepth, images: Iterable[Tensor], weight: float) -> None:
    """
    Set mean and variance of every batch norm to ``(1 - weight) source + weight target``.

    The target's are averaged over all images with a network that normalises with the batch.

    Parameters
    ----------
    network : FastDepth
        Changed in place; only its running statistics.
    images : iterable of Tensor, shape (B, 3, h, w)
        Target images in [0, 1], best 64 or more in all, at least two in a batch.
    weight : float
        0 changes nothing, 1 forgets the source.

    """
    if weight == 0:
        return
    observer = copy.deepcopy(network)
    for norm in batch_norms(observer):
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    observer.train()
    for batch in images:
        observer(batch)
    for norm, seen in zip(batch_norms(network), batch_norms(observer), strict=True):
        for own, target in (
            (norm.running_mean, seen.running_mean),
            (norm.running_var, seen.running_var),
        ):
            assert own is not None and target is not None
            own.lerp_(target, weight)


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    """Return the batch norms of a network in the order of its modules."""
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def fold_batch_norms(network: nn.Module) -> None:
    """Put each batch norm that stays as it is into the convolution before it, in place."""
    parts = list(network.named_children())
    for (name, part), (norm_name, norm) in itertools.pairwise(parts):
        if isinstance(part, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(network, name, fuse_conv_bn_eval(part, norm))
            setattr(network, norm_name, nn.Identity())
    for _, part in parts:
        fold_batch_norms(part)
