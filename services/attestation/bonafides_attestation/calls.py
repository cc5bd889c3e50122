"""Calls that the registry would accept now, by its own simulation; or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

from bonafides.errors import Unavailable
from bonafides.types import Address, Digest

from bonafides_attestation.chain import Reverted
from bonafides_attestation.drafts import BatchSpan
from bonafides_attestation.registry import Registry, error_name, publish_call, revoke_call


class Stranded(Exception):
    """The indexes of this batch can never be its own. Stays inside the publisher."""


@dataclass(frozen=True, slots=True)
class QueuedBatch:
    """What is to be published."""

    root: Digest
    span: BatchSpan
    closed_at_block: int
    """Head when its first index was read, or later."""


def checked_revocation(registry: Registry, sender: Address, indexes: Sequence[int]) -> bytes:
    """Call data that revokes these indexes. Raises Unavailable."""
    call_data = revoke_call(indexes)
    _simulate(registry, sender, call_data)
    return call_data


def checked_publication(
    registry: Registry, sender: Address, batch: QueuedBatch, finalized: int, index_after_final: int
) -> bytes:
    """Call data that publishes the oldest batch that is not published.

    Args:
        registry: where.
        sender: account of the publisher.
        batch: the oldest that is not final: nothing else of ours is on its way.
        finalized: number of the newest final block.
        index_after_final: one after the highest index of our final batches.

    Raises:
        Stranded: other roots have its indexes, or the root that stood before them was reorged away.
        Unavailable: not now.
    """
    state = registry.state()
    if state.is_paused:
        raise Unavailable("the registry is paused: the batch waits until the admin ends the pause")
    if state.publisher != sender:
        raise Unavailable("the registry has another publisher than this key: setPublisher, or another keystore")
    first_index = batch.span.first_index
    if state.next_index < first_index:
        raise _gap(registry, batch, finalized, index_after_final)
    if state.next_index > first_index:
        if registry.root_record(batch.root) is not None:
            raise Unavailable("the root was published just now: look again")
        raise Stranded(f"the registry's next index is {state.next_index}, the batch starts at {first_index}")
    call_data = publish_call(batch.root, batch.span.size, state.epoch + 1)
    if int.from_bytes(_simulate(registry, sender, call_data)) != first_index:
        raise Unavailable("the registry changed between reading and simulating: look again")
    return call_data


def _gap(registry: Registry, batch: QueuedBatch, finalized: int, index_after_final: int) -> Stranded | Unavailable:
    """The registry counts less than when the batch was closed.

    Either the node answers from an old block, or a foreign root that was counted then was reorged away. Once the head
    of that time is final, the final count decides: no block to come brings the root back.
    """
    if finalized < batch.closed_at_block:
        return Unavailable(
            f"the node is behind, or a root was reorged away: waiting until block {batch.closed_at_block} is final"
        )
    next_index = registry.next_index(at=finalized)
    if next_index < index_after_final:
        return Unavailable(f"the node is behind: next index {next_index}, final up to {index_after_final}")
    if next_index >= batch.span.first_index:
        return Unavailable("the node's newest block lies before its final one: look again")
    return Stranded(f"the registry's final next index is {next_index}, the batch starts at {batch.span.first_index}")


def _simulate(registry: Registry, sender: Address, call_data: bytes) -> bytes:
    try:
        return registry.simulate(sender, call_data)
    except Reverted as exc:
        raise Unavailable(f"the registry would refuse the transaction: {error_name(exc)}") from exc
