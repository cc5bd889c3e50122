"""What a hydration saw of each entry of the registry, and what it cannot see. Pure."""

from collections.abc import Mapping, Sequence

from bonafides.events import BlockRange, DeploymentCoverage

from bonafides_ingest.registry_entries import RegistryEntry


def hydrated_coverage(
    entries: Sequence[RegistryEntry], registry_version: int, seen: Mapping[str, int], final: int
) -> tuple[DeploymentCoverage, ...]:
    """By id. `seen` are the entries that were read up to block `final`, with the logs that could not be and that name
    no wallet. All others stand with their whole span as a gap: sources of account links among them, and all
    of them where nothing was found on a single node's word.
    """
    return tuple(
        DeploymentCoverage(
            deployment=entry.id,
            chain_id=entry.chain_id,
            registry_version=registry_version,
            scanned_from=entry.from_block,
            complete_to=final,
            gaps=() if entry.id in seen else _span(entry, final),
            dead_letters=seen.get(entry.id, 0),
        )
        for entry in sorted(entries, key=lambda entry: entry.id)
    )


def _span(entry: RegistryEntry, final: int) -> tuple[BlockRange, ...]:
    last = min(entry.to_block, final)
    return (BlockRange(entry.from_block, last),) if entry.from_block <= last else ()
