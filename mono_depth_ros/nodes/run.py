# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start, spin and end a node the same way everywhere."""

from __future__ import annotations

from collections.abc import Callable
import gc

from mono_depth_ros.errors import MonoDepthError
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions


def run_node(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """
    Run one node until SIGINT, SIGTERM or the end of its context.

    Returns
    -------
    int
        Exit status: 0 when it ended as asked, 1 when it could not start (the reason is logged).

    """
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.ALL)
    node: Node | None = None
    try:
        node = make_node()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        # What lives for ever need not be looked at by every garbage collection.
        gc.freeze()
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except MonoDepthError as error:
        logger = node.get_logger() if node else rclpy.logging.get_logger('mono_depth_ros')
        logger.fatal(str(error))
        return 1
    finally:
        close = getattr(node, 'close', None)
        if close is not None:
            close()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def autostart(node: LifecycleNode) -> None:
    """
    Configure and activate a lifecycle node.

    Raises
    ------
    MonoDepthError
        If a transition fails; the node has logged why.

    """
    for name, trigger in (
        ('configure', node.trigger_configure),
        ('activate', node.trigger_activate),
    ):
        if trigger() != TransitionCallbackReturn.SUCCESS:
            raise MonoDepthError(f'{node.get_name()} could not {name}; see the error above')
