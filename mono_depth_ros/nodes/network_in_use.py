# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which network the store has in use: put there, withdrawn by others, or given up."""

from __future__ import annotations

from dataclasses import replace

from mono_depth_ros.adaptation.outcome import FAILED, Outcome, PROMOTED, REJECTED
from mono_depth_ros.engine.store import Version, VersionStore
from mono_depth_ros.engine.store_reader import BY_HAND
from mono_depth_ros.errors import StoreError
from mono_depth_ros.model.registry import ResolvedModel
from mono_depth_ros.nodes.hand_over import Reply

# One more end of a cycle: the depth node has watched its result, and gone back.
ROLLED_BACK = 'ROLLED BACK'


class NetworkInUse:
    """
    The store as the adaptation node sees it.

    Parameters
    ----------
    store : VersionStore
        Claimed by the caller.
    shipped : ResolvedModel
        Network that is adapted, as it was before.
    keep : int
        Versions kept.

    Attributes
    ----------
    current : str or None
        Version in use, None for the shipped network; as `changed` or a verb has seen it last.

    """

    def __init__(self, store: VersionStore, shipped: ResolvedModel, keep: int) -> None:
        self.store, self._shipped, self._keep = store, shipped, keep
        self.current = store.current_name()

    @property
    def version(self) -> str:
        """Name of the network in use."""
        return self.current or self._shipped.version

    def waiting(self) -> Version | None:
        """Return the version of this network that passed the gate, and was never tried."""
        version = self.store.candidate()
        ours = version is not None and version.manifest.name == self._shipped.manifest.name
        return version if ours else None

    def changed(self) -> tuple[str, str] | None:
        """
        Notice that somebody else has put another version in use.

        Returns
        -------
        tuple of str, or None
            The version in use before, and what machines found bad about it; empty if that is
            nothing, and a person chose.

        Raises
        ------
        StoreError
            If the store cannot be read.

        """
        name = self.store.current_name()
        if name == self.current:
            return None
        before, self.current = self.current, name
        bad = self._why_bad(before)
        return before or '', '' if bad.startswith(BY_HAND) else bad

    def settle(self, outcome: Outcome, reply: Reply) -> Outcome:
        """Put a version in use, or mark it bad, as the depth node has answered."""
        try:
            if reply.accepted is False:
                reason = f'the depth node refuses it: {reply.message}'
                self.store.withdraw(outcome.version, reason)
                return replace(outcome, state=REJECTED, reason=reason, stage='hand over')
            self.current = self.store.promote(outcome.version).name
            self.store.prune(self._keep)
        except StoreError as error:
            # The depth node may have watched it for a moment, and withdrawn it.
            bad = self._why_bad(outcome.version)
            state, reason = (ROLLED_BACK, bad) if bad else (FAILED, str(error))
            return replace(outcome, state=state, reason=reason, stage='promote')
        told = 'the depth node runs it'
        if outcome.version not in reply.message:  # it was told to run another network
            told = f'the depth node answered: {reply.message}'
        if reply.accepted is None:
            told = f'{reply.message}, so a depth node takes it when it starts'
        gate = outcome.reason.removesuffix('; it waits to be tried')
        return replace(outcome, state=PROMOTED, reason=f'{gate}; {told}', stage='promote')

    def roll_back(self, reason: str) -> Version | None:
        """Go back to the network in use before; see `VersionStore.rollback`."""
        version = self.store.rollback(reason)
        self.current = self.store.current_name()
        return version

    def reset(self) -> bool:
        """Go back to the shipped network; see `VersionStore.reset`."""
        left = self.store.reset()
        self.current = None
        return left

    def _why_bad(self, name: str | None) -> str:
        if name is None:
            return ''
        try:
            return self.store.find(name).bad
        except StoreError:
            return ''
