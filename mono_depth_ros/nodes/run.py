# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start, spin and end a node the same way everywhere."""

from __future__ import annotations

from collections.abc import Callable
import ctypes
import gc
import signal

from mono_depth_ros.errors import MonoDepthError
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

# mallopt(3): parameters and values; 32 MB is the highest threshold that glibc accepts.
MALLOC_OPTIONS = {'M_TRIM_THRESHOLD': (-1, 128 << 20), 'M_MMAP_THRESHOLD': (-3, 32 << 20)}


class ClosingNode(LifecycleNode):
    """
    A lifecycle node that leaves every other state by closing.

    ``close`` frees everything but the node itself; `run_node` calls it too when the process ends.
    """

    def close(self) -> None:
        """Free everything but the node itself."""
        raise NotImplementedError

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free what configuring took."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, whatever the state was."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, so that the node can be configured again."""
        self.close()
        return TransitionCallbackReturn.SUCCESS


def run_node(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """
    Run one node until SIGINT, SIGTERM or the end of its context.

    Returns
    -------
    int
        Exit status: 0 when it ended as asked, 1 when it could not start (the reason is logged).

    """
    keep_freed_memory()
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
    except RuntimeError:
        # A signal ends the context at any moment, also while a callback publishes.
        if rclpy.ok():
            raise
    finally:
        _ignore_signals()
        close = getattr(node, 'close', None)
        if close is not None:
            close()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
        _ignore_signals()  # shutting down has restored Python's own handlers
    return 0


def _ignore_signals() -> None:
    """End in peace: Ctrl-C on a launch arrives twice, from the terminal and from the launch."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def keep_freed_memory() -> None:
    """
    Let the process keep the memory of an image for the next image.

    glibc gives blocks of this size back to the system at once, and every page of the next one is
    a page fault: receiving a 0.9 MB image took 2.1 ms, without the faults .8 ms. Other C
    libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:
        for option, value in MALLOC_OPTIONS.values():
            mallopt(option, value)


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
