# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS parameters made from the frozen settings of the core."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import fields
from typing import Any, TypeVar

from mono_depth_ros.config import Config
from mono_depth_ros.errors import ConfigError
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

C = TypeVar('C', bound=Config)


def declare_config(node: Node, config_class: type[C], only: Collection[str] = ()) -> C:
    """
    Declare one parameter per setting and return the settings with the values given.

    ``only`` these settings become parameters, if some are named; the others keep their defaults.

    Raises
    ------
    ConfigError
        If a value has the wrong type or lies outside its limits.

    """
    values = {}
    for spec in fields(config_class):
        if only and spec.name not in only:
            continue
        # Dynamic typing, so that `min_depth: 1` is as good as 1.0; the config checks types.
        descriptor = ParameterDescriptor(
            description=spec.metadata['description'],
            additional_constraints=_constraints(spec.metadata),
            read_only=not spec.metadata['dynamic'],
            dynamic_typing=True,
        )
        try:
            parameter = node.declare_parameter(spec.name, spec.default, descriptor)
        except ParameterException as error:
            raise ConfigError(f'parameter {spec.name}: {error}') from error
        values[spec.name] = _as_type_of(spec.default, parameter.value)
    return config_class(**values)


def follow_config(node: Node, current: C, on_change: Callable[[C], None]) -> None:
    """
    Let the dynamic settings of a node be changed at run time.

    A bad value is rejected with the reason; a good one makes a new config, handed to
    ``on_change``.
    """
    names = {spec.name: spec for spec in fields(current) if spec.metadata['dynamic']}
    state = {'config': current}

    def on_set(parameters: list[Parameter]) -> SetParametersResult:
        changed = {
            parameter.name: _as_type_of(names[parameter.name].default, parameter.value)
            for parameter in parameters
            if parameter.name in names
        }
        if not changed:
            return SetParametersResult(successful=True)
        values = {spec.name: getattr(state['config'], spec.name) for spec in fields(current)}
        try:
            state['config'] = type(current)(**{**values, **changed})
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        on_change(state['config'])
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(on_set)


def _as_type_of(default: Any, value: Any) -> Any:
    """Turn a whole number into a float where the setting is one."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if isinstance(default, float) and is_whole else value


def _constraints(metadata: Any) -> str:
    """Say in words what values a setting takes."""
    if metadata['one_of'] is not None:
        return 'one of ' + ', '.join(metadata['one_of'])
    limits = [
        f'{word} {metadata[key]}'
        for word, key in (('at least', 'minimum'), ('at most', 'maximum'))
        if metadata[key] is not None
    ]
    return ', '.join(limits)
