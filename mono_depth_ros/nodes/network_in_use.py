# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which network the store has in use: put there, withdrawn by others, or given up."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from mono_depth_ros.adaptation.outcome import (
    ADDED,
    FAILED,
    Outcome,
    PROMOTED,
    REJECTED,
    SKIPPED,
)
from mono_depth_ros.engine.store import Version, VersionStore
from mono_depth_ros.engine.store_reader import BY_HAND, SHIPPED
from mono_depth_ros.errors import StoreError
from mono_depth_ros.model.registry import ResolvedModel

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
        """Name of the network in use; a version of another one is left aside."""
        if self.current is None or not self._is_ours(self.current):
            return self._shipped.version
        return self.current

    def waiting(self) -> Version | None:
        """Return the version of this network that passed the gate, and was never tried."""
        version = self.store.candidate()
        return version if version is not None and self._is_ours(version.name) else None

    def changed(self) -> tuple[str, str] | None:
        """
        Notice that somebody else has put another version of this network in use.

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
        if not (self._is_ours(before) or self._is_ours(name)):
            return None
        bad = self._why_bad(before)
        return before or '', '' if bad.startswith(BY_HAND) else bad

    def settle(self, outcome: Outcome, *, runs: bool, said: str) -> Outcome:
        """
        Put a version in use that the depth node runs, and let one wait that it could not try.

        One that it runs waits too, where the store cannot be written now. What is no good the
        depth node has marked in the store, whether its answer came or not. What a person has put
        in use meanwhile stays, and the depth node is told again.

        Parameters
        ----------
        outcome : Outcome
            Of the cycle that added the version, with what the gate said as its reason.
        runs : bool
            Whether the depth node runs it.
        said : str
            What the depth node said, or why it said nothing: the reason if the version waits.

        """
        name, gate = outcome.version, outcome.reason
        with suppress(StoreError):  # what cannot be removed now is the next time
            self.store.prune(self._keep)
        try:
            if runs:
                runs = self.store.follow(name)
                if runs:
                    self.current = name
            waits = self.store.waiting_name() == name
        except StoreError as error:
            # The depth node may have watched it for a moment, and withdrawn it.
            bad = self._why_bad(name)
            if bad:
                state, reason = ROLLED_BACK, bad
            elif runs and self.may_follow(name):
                state, reason = ADDED, f'the depth node runs it, the store has to follow: {error}'
            else:
                state, reason = FAILED, str(error)
            return replace(outcome, state=state, reason=reason, stage='promote')
        if runs:
            reason = f'{gate}; the depth node runs it'
            return replace(outcome, state=PROMOTED, reason=reason, stage='promote')
        bad = self._why_bad(name)
        if bad:
            state, reason = REJECTED, f'the depth node refuses it: {bad}'
        elif waits:
            state, reason = ADDED, f'{gate}; it waits to be tried: {said}'
        else:
            state, reason = SKIPPED, f'{gate}; another network was chosen before it was tried'
        return replace(outcome, state=state, reason=reason, stage='hand over')

    def may_follow(self, name: str) -> bool:
        """Say whether the store may follow a depth node that runs a version, maybe not now."""
        try:
            waits = self.store.waiting_name() == name and not self.store.damaged_candidate()
            return waits or self.store.current_name() == name
        except StoreError:
            return True

    def roll_back(self, reason: str) -> Version | None:
        """Go back to the network in use before; see `VersionStore.rollback`."""
        if self.version != self.current:
            raise StoreError(f'nothing to roll back in {self.store.root}: {SHIPPED} is in use')
        version = self.store.rollback(reason)
        self.current = self.store.current_name()
        return version

    def reset(self) -> bool:
        """Go back to the shipped network; see `VersionStore.reset`."""
        left = self.store.reset(self._shipped.manifest.name)
        self.current = self.store.current_name()
        return left

    def _is_ours(self, name: str | None) -> bool:
        return name is not None and self.store.is_of(name, self._shipped.manifest.name)

    def _why_bad(self, name: str | None) -> str:
        if name is None:
            return ''
        try:
            return self.store.find(name).bad
        except StoreError:
            return ''
