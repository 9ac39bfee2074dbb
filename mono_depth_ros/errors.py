# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Errors that mono_depth_ros raises on purpose.

Every message names the thing, what was expected, what came, and what to do.
"""


class MonoDepthError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigError(MonoDepthError, ValueError):
    """A setting has a value it must not have."""


class ShapeError(MonoDepthError, ValueError):
    """An array has another shape or dtype than the function takes."""


class ImageError(MonoDepthError):
    """One image cannot be used; the next one may be fine."""


class CameraError(MonoDepthError):
    """The camera intrinsics are missing or unusable."""


class ModelError(MonoDepthError):
    """A model file is missing, damaged, or not what the package can run."""


class EngineError(MonoDepthError):
    """A backend failed to load or to run a network."""


class BackendUnavailableError(EngineError):
    """A backend is not installed; the message says what to install."""


class PlanMissingError(EngineError):
    """
    There is no TensorRT plan for this network on this GPU yet; other backends may run meanwhile.

    Attributes
    ----------
    key : str
        Names the plan that is missing.
    model_path : str
        Network it is to be built from.
    input_size : tuple of int
        (height, width) it is to be built for [px].
    precision : str
        Precision it is to be built in.
    engines_path : str
        Folder it belongs in.

    """

    def __init__(
        self,
        message: str,
        *,
        key: str = '',
        model_path: str = '',
        input_size: tuple[int, int] = (0, 0),
        precision: str = '',
        engines_path: str = '',
    ) -> None:
        super().__init__(message)
        self.key = key
        self.model_path = model_path
        self.input_size = input_size
        self.precision = precision
        self.engines_path = engines_path


class StoreError(MonoDepthError):
    """The store of network versions cannot be read or written."""


class StoreInUseError(StoreError):
    """Another process has the store; the message says which."""


class DatasetError(MonoDepthError):
    """A folder, bag or video cannot be read."""
