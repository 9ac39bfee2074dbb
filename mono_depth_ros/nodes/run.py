# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start, spin and end a node the same way everywhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
import ctypes
import gc
import logging
import signal
import traceback

from mono_depth_ros.errors import MonoDepthError
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
import rclpy.logging
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

# mallopt(3): parameters and values; 32 MB is the highest threshold that glibc accepts.
MALLOC_OPTIONS = {'M_TRIM_THRESHOLD': (-1, 128 << 20), 'M_MMAP_THRESHOLD': (-3, 32 << 20)}


class ClosingNode(LifecycleNode):
    """
    A lifecycle node whose transitions fail with a reason, and that leaves its states by closing.

    ``configure``, ``activate``, ``deactivate`` and ``close`` may raise anything: rclpy would say
    nothing of it.
    """

    def configure(self) -> None:
        """Take what the node needs; what was taken before an error is closed."""
        raise NotImplementedError

    def activate(self) -> None:
        """Begin to work; what was begun before an error is deactivated."""
        raise NotImplementedError

    def deactivate(self) -> None:
        """Stop working; it may not have begun."""
        raise NotImplementedError

    def close(self) -> None:
        """Free everything but the node itself; also called when the process ends."""
        raise NotImplementedError

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take what the node needs, or free it again and log why not."""
        if self._attempt(self.configure):
            return TransitionCallbackReturn.SUCCESS
        self._attempt(self.close)
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to work, or stay inactive and log why."""
        if self._attempt(self.activate):
            return super().on_activate(state)
        self._attempt(self.deactivate)
        return TransitionCallbackReturn.FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop working; what configuring took stays."""
        if self._attempt(self.deactivate):
            return super().on_deactivate(state)
        return TransitionCallbackReturn.ERROR

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free what configuring took."""
        return self._end()

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, whatever the state was."""
        return self._end()

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, so that the node can be configured again."""
        return self._end()

    def _end(self) -> TransitionCallbackReturn:
        closed = self._attempt(self.close)
        return TransitionCallbackReturn.SUCCESS if closed else TransitionCallbackReturn.ERROR

    def _attempt(self, step: Callable[[], None]) -> bool:
        """Take a step of a transition; log why it failed and return False if it did."""
        try:
            step()
        except MonoDepthError as error:
            self.get_logger().error(str(error))
        except Exception:
            # A signal ends the context at any moment, and then nothing works any more.
            if self.context.ok():
                self.get_logger().error(f'unforeseen:\n{traceback.format_exc()}')
        else:
            return True
        return False


class RosLogHandler(logging.Handler):
    """Puts what the core logs, which knows no ROS, into the log of ROS."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on; rclpy wants every line of code to keep its severity."""
        logger, text = rclpy.logging.get_logger(record.name), self.format(record)
        if record.levelno >= logging.ERROR:
            logger.error(text)
        elif record.levelno >= logging.WARNING:
            logger.warning(text)
        else:
            logger.info(text)


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
    core = logging.getLogger('mono_depth_ros')
    core.addHandler(RosLogHandler())
    core.setLevel(logging.INFO)
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
    a page fault: receiving a 0.9 MB image took 2.1 ms, without the faults .6 ms. Other C
    libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:
        for option, value in MALLOC_OPTIONS.values():
            mallopt(option, value)


def autostart(node: ClosingNode) -> None:
    """
    Configure and activate a node, which is closed again if either fails.

    Raises
    ------
    MonoDepthError
        If a transition fails; the node has logged why.

    """
    with ExitStack() as undo:
        # A signal too: a node that is still being made is not there to be closed by `run_node`.
        undo.callback(node.close)
        for name, trigger in (
            ('configure', node.trigger_configure),
            ('activate', node.trigger_activate),
        ):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise MonoDepthError(f'{node.get_name()} could not {name}; see the error above')
        undo.pop_all()
