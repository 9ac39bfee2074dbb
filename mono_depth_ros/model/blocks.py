# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The convolution blocks of MobileNet-v1 and v2."""

from __future__ import annotations

from torch import nn, Tensor


class Block(nn.Sequential):
    """
    Convolutions, each followed by a batch norm and an activation.

    Attributes
    ----------
    residual : bool
        Whether the input is added to the output; their shapes must be the same.

    """

    residual = False

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (B, outputs, H / stride, W / stride)."""
        y: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x + y if self.residual else y


class Separable(Block):
    """
    Depthwise convolution, then pointwise convolution, each with batch norm and ReLU.

    A linear block leaves the second ReLU out. A residual one adds its input where the shapes
    allow.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        *,
        linear: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, kernel, stride, kernel // 2, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.Identity() if linear else nn.ReLU(inplace=True),
        )
        self.residual = residual and inputs == outputs and stride == 1


class InvertedResidual(Block):
    """
    Expansion, depthwise convolution and linear projection (MobileNet-v2, Sandler et al., 2018).

    An expansion of 1 leaves the first convolution out.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, expansion: int = 6
    ) -> None:
        hidden = inputs * expansion
        expand: list[nn.Module] = [
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
        ]
        super().__init__(
            *(expand if expansion > 1 else []),
            nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.Identity(),
        )
        self.residual = inputs == outputs and stride == 1
