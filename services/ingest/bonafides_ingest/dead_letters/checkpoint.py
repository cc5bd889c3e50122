"""Where a replay is, in a file: a deployment as its logs up to some block describe it, so that a second run goes on."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bonafides.errors import InvalidInput
from bonafides.hashing import sha256
from bonafides.types import BlockRef, Digest, Json

from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.decoders import DECODER_VERSION
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.protocols.state import DeploymentState, FactKey


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A deployment behind a block."""

    last: BlockRef
    state: DeploymentState


class CheckpointFile:
    """Keeps the newest checkpoint of one deployment at a time. Another decoder or another entry of the registry reads
    other things in the same logs, so theirs is not taken."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, deployment: Deployment) -> Checkpoint | None:
        """That of this deployment; None where there is none that fits. Raises InvalidInput for a file that is none."""
        try:
            kept = json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            raise InvalidInput(f"{self._path} is no checkpoint of a replay: name another file, or remove it") from exc
        if not isinstance(kept, dict) or "of" not in kept:
            raise InvalidInput(f"{self._path} is no checkpoint of a replay: name another file, or remove it")
        if kept["of"] != _identity(deployment):
            return None
        number, block_hash, timestamp = kept["last"]
        facts: Mapping[FactKey, Json] = {(kind, key): value for kind, key, value in kept["facts"]}
        last = BlockRef(deployment.chain_id, number, Digest(bytes.fromhex(block_hash)), timestamp)
        return Checkpoint(last, protocol_of(deployment).restore(deployment, facts))

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace what the file holds; a crash leaves the one or the other."""
        last, state = checkpoint.last, checkpoint.state
        kept = {
            "of": _identity(state.deployment),
            "last": [last.number, last.hash.hex(), last.timestamp],
            "facts": [[kind, key, value] for (kind, key), value in state.facts().items()],
        }
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(json.dumps(kept))
        os.replace(new, self._path)


def _identity(deployment: Deployment) -> str:
    entry = sha256(repr(deployment.model_dump()).encode()).hex()
    return f"{deployment.id} decoder {DECODER_VERSION} entry {entry}"
