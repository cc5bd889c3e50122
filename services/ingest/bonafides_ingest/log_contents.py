"""Whether log files hold what a registry asks for: whose logs, of which contracts, from which block on.

`export` writes into every file what it was asked for. A registry that changed since would read such files as if nothing
had happened at the contracts and in the blocks that were not asked for.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from bonafides.errors import InvalidInput, InvalidSettings
from bonafides.events import BlockRange
from bonafides.types import address_text

from bonafides_ingest.registry_entries import RegistryEntry
from bonafides_ingest.windows import gaps_in, up_to

if TYPE_CHECKING:
    from bonafides_ingest.sources.parquet import LogFolder

_DIGEST_CHARACTERS = 16


def content_of(entries: Iterable[RegistryEntry]) -> str:
    """What stands in files that hold the logs of these entries: `id:digest` of each, by id."""
    return " ".join(sorted(map(_named, entries)))


def _named(entry: RegistryEntry) -> str:
    said = [entry.id, entry.from_block, entry.to_block, sorted(map(address_text, entry.contracts()))]
    digest = sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()
    return f"{entry.id}:{digest[:_DIGEST_CHARACTERS]}"


def check_folder(folder: "LogFolder", entries: Sequence[RegistryEntry]) -> None:
    """Raise InvalidSettings or InvalidInput when the files cannot be the history of these deployments and links.

    Files that name whose logs they hold must name all of them as the registry does.
    """
    starts = min(entry.from_block for entry in entries)
    if folder.range.last < starts:
        raise InvalidInput(
            f"the files end at block {folder.range.last}, before the first deployment of the registry begins (block "
            f"{starts}): nothing to read"
        )
    for content in folder.contents - {None}:
        named = dict(text.partition(":")[::2] for text in (content or "").split())
        missing = sorted(entry.id for entry in entries if entry.id not in named)
        if missing:
            raise InvalidSettings(
                f"the files hold the logs of {', '.join(sorted(named))}, the registry also lists {', '.join(missing)}: "
                "export again with this registry, or name the one that the files were exported with"
            )
        others = sorted(entry.id for entry in entries if _named(entry) != f"{entry.id}:{named[entry.id]}")
        if others:
            raise InvalidSettings(
                f"the files were exported with another entry of {', '.join(others)} than the registry has now: its "
                "from_block, to_block or contracts changed; export again with this registry, or name the one that the "
                "files were exported with"
            )


def check_begin(
    folder: "LogFolder",
    entries: Iterable[RegistryEntry],
    done: Mapping[str, Sequence[BlockRange]],
) -> None:
    """Raise InvalidInput when blocks are still to be read that lie before the files. `done` is what was read, by id."""
    firsts = {
        entry.id: gaps[0].first
        for entry in entries
        if (gaps := gaps_in(done.get(entry.id, ()), up_to(entry.span, folder.range.last)))
    }
    late = sorted(name for name, first in firsts.items() if first < folder.range.first)
    if late:
        first = min(firsts.values())
        shown = ", ".join(late[:3]) + (f" and {len(late) - 3} more" if len(late) > 3 else "")
        raise InvalidInput(
            f"the files begin at block {folder.range.first}, and {shown} must be read from block {first} on: export "
            "from there (`bonafides ingest export` does), or name a registry that begins later"
        )
