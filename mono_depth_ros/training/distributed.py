# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The processes that train together: one alone, or those that torchrun started."""

from __future__ import annotations

from dataclasses import dataclass, field
import os
from types import TracebackType

from mono_depth_ros.errors import ConfigError
import torch
from torch import nn, Tensor
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

DEVICES = ('auto', 'cpu', 'cuda')


def choose_device(name: str) -> str:
    """
    Return ``cpu`` or ``cuda``; ``auto`` is a GPU where there is one.

    Raises
    ------
    ConfigError
        If it is none of them, or there is no GPU.

    """
    if name not in DEVICES:
        raise ConfigError(f'device must be one of {DEVICES}, got {name!r}')
    if name == 'cuda' and not torch.cuda.is_available():
        raise ConfigError('device is cuda, but torch finds no GPU: `mono_depth doctor` says more')
    if name == 'auto':
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    return name


@dataclass(frozen=True)
class Workers:
    """
    This process among those that train together.

    Attributes
    ----------
    rank, world : int
        Number of this process, and how many there are.
    device : torch.device
        Where this process computes.

    """

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device('cpu'))

    @classmethod
    def from_environment(cls, device: str = 'auto') -> Workers:
        """Join the processes that ``torchrun`` started; without it there is only this one."""
        device = choose_device(device)
        world = int(os.environ.get('WORLD_SIZE', '1'))
        if world == 1:
            return cls(device=torch.device(device))
        if device == 'cuda':
            device = f'cuda:{os.environ.get("LOCAL_RANK", "0")}'
            torch.cuda.set_device(device)
        dist.init_process_group('nccl' if device.startswith('cuda') else 'gloo')
        return cls(dist.get_rank(), world, torch.device(device))

    @property
    def main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """Average the gradients of a module over all processes."""
        if self.world == 1:
            return module.to(self.device)
        ids = [self.device.index] if self.device.type == 'cuda' else None
        return DistributedDataParallel(module.to(self.device), device_ids=ids)

    def all_true(self, value: bool) -> bool:
        """Whether ``value`` is true in every process."""
        if self.world == 1:
            return value
        flag = torch.tensor([float(value)], device=self.device)
        dist.all_reduce(flag, dist.ReduceOp.MIN)
        return bool(flag.item())

    def mean(self, values: Tensor) -> Tensor:
        """Average a tensor over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(values)
            values /= self.world
        return values

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.world > 1:
            dist.destroy_process_group()
