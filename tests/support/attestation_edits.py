"""Documents that differ from the golden one in one way each."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace

from bonafides.types import Digest, Json
from bonafides.verify.leaves import LEAF_TYPES, Leaf
from bonafides.verify.signature import _ORDER
from bonafides.verify.typed_data import (
    Domain,
    PresentationMessage,
    attestation_digest,
)
from bonafides_attestation.document import HolderFile, present, presented_by
from bonafides_attestation.merkle import StandardMerkleTree

from tests.support.attestation_fixtures import (
    ATTESTER,
    BORROWER,
    DOMAIN,
    NOW,
    OTHER_KEY,
    FakeChain,
    TestKey,
    published_score,
    sign_presentation,
    sign_score,
)

type JsonObject = dict[str, Json]
AUDIENCE, NONCE = "https://lender.example", Digest(bytes(range(32)))
OPENED = ("score", "band", "scoreGte700", "receiptDigest")


def hexed(raw: bytes) -> str:
    return "0x" + raw.hex()


def message(**changes: object) -> PresentationMessage:
    committed = published_score(FakeChain()).typed_data.message.commitment
    return replace(PresentationMessage(committed, AUDIENCE, NONCE, NOW + 300), **changes)  # type: ignore[arg-type]


def shown_to(
    key: TestKey = BORROWER,
    said: PresentationMessage | None = None,
    signed: PresentationMessage | None = None,
    kind: str = "ecdsa",
    domain: Domain = DOMAIN,
) -> str:
    """The golden document with a holder's signature; `said` is what it claims, `signed` what was signed."""
    said = said or message()
    signature = sign_presentation(key, signed or said, domain)
    made = presented_by(said, signature, "erc1271" if kind == "erc1271" else "ecdsa")
    return present(golden_file(), OPENED, BORROWER.address, made).to_json()


def golden_file() -> HolderFile:
    return published_score(FakeChain())


def golden_document() -> JsonObject:
    found: JsonObject = json.loads(present(golden_file(), OPENED, BORROWER.address).to_json())
    return found


def changed(*path: str | int, to: Json) -> str:
    """The golden document with one value replaced."""
    return edited(lambda document: put(document, path, to))


def edited(edit: Callable[[JsonObject], None], base: JsonObject | None = None) -> str:
    document = copy.deepcopy(base or golden_document())
    edit(document)
    return json.dumps(document, separators=(",", ":"))


def put(document: JsonObject, path: tuple[str | int, ...], to: Json) -> None:
    parent = get(document, path[:-1])
    parent[path[-1]] = to  # type: ignore[index]  # a path of the test's own making


def get(document: JsonObject, path: tuple[str | int, ...]) -> Json:
    found: Json = document
    for step in path:
        found = found[step]  # type: ignore[index]  # as above
    return found


def flip(text: Json, digit: int = -1) -> str:
    """The same hexadecimal text with one bit of one digit flipped."""
    assert isinstance(text, str)
    digits = list(text)
    digits[digit] = f"{int(digits[digit], 16) ^ 1:x}"
    return "".join(digits)


def flipped(*path: str | int, digit: int = -1) -> str:
    return changed(*path, to=flip(get(golden_document(), path), digit))


def replaced_text(old: str, new: str) -> str:
    text = json.dumps(golden_document(), separators=(",", ":"))
    assert text.count(old) == 1, f"{old} stands {text.count(old)} times"
    return text.replace(old, new)


def file_text(file: HolderFile, names: tuple[str, ...] = OPENED) -> str:
    return present(file, names, BORROWER.address).to_json()


def leaf_at(name: str) -> int:
    leaves = get(golden_document(), ("disclosure", "leaves"))
    assert isinstance(leaves, list)
    return next(place for place, leaf in enumerate(leaves) if isinstance(leaf, dict) and leaf["name"] == name)


def swap_leaf_names(document: JsonObject) -> None:
    """Two 32-byte leaves cannot be told apart by type: only the hashed name does."""
    put(document, ("disclosure", "leaves", leaf_at("receiptDigest"), "name"), "coverageDigest")


def empty_disclosure(document: JsonObject) -> None:
    """What EAS's SDK accepts: no leaves, and the root as its own proof."""
    commitment = get(document, ("typedData", "message", "commitment"))
    document["disclosure"] = {"leaves": [], "proof": [commitment], "proofFlags": []}


def duplicate_leaf(document: JsonObject) -> None:
    leaves = get(document, ("disclosure", "leaves"))
    assert isinstance(leaves, list)
    leaves.append(leaves[0])
    flags = get(document, ("disclosure", "proofFlags"))
    assert isinstance(flags, list)
    flags.append(True)


def drop_leaf(document: JsonObject) -> None:
    leaves = get(document, ("disclosure", "leaves"))
    assert isinstance(leaves, list)
    del leaves[0]


def drop_as_of(document: JsonObject) -> None:
    del document["asOf"]


def turn_blocks_around(document: JsonObject) -> None:
    blocks = document["asOf"]
    assert isinstance(blocks, list)
    blocks.reverse()


def truncate(*path: str) -> str:
    def edit(document: JsonObject) -> None:
        found = get(document, path)
        assert isinstance(found, list)
        del found[-1]

    return edited(edit)


def high_s(document: JsonObject) -> None:
    raw = bytes.fromhex(str(get(document, ("signature", "value")))[2:])
    s = _ORDER - int.from_bytes(raw[32:64])
    put(document, ("signature", "value"), hexed(raw[:32] + s.to_bytes(32) + bytes([55 - raw[64]])))


def signed_contradiction() -> str:
    """An issuer signs `score 712` and `scoreGte750 true`: no verifier may pick the one it likes."""
    good = golden_file()
    leaves = [leaf.to_leaf() for leaf in good.leaves]
    leaves = [replace(leaf, value=True) if leaf.name == "scoreGte750" else leaf for leaf in leaves]
    tree = StandardMerkleTree([leaf.hash for leaf in leaves])
    struct = replace(good.typed_data.message.to_attestation(), commitment=tree.root)
    chosen = {leaf.hash: leaf for leaf in leaves if leaf.name in ("score", "scoreGte750")}
    multiproof = tree.multiproof(list(chosen))
    document = golden_document()
    put(document, ("typedData", "message", "commitment"), hexed(tree.root))
    put(document, ("signature", "value"), hexed(ATTESTER.sign(attestation_digest(DOMAIN, struct))))
    document["disclosure"] = {
        "leaves": [leaf_json(chosen[hashed]) for hashed in multiproof.leaves],
        "proof": [hexed(node) for node in multiproof.proof],
        "proofFlags": list(multiproof.flags),
    }
    return json.dumps(document, separators=(",", ":"))


def leaf_json(leaf: Leaf) -> JsonObject:
    value = hexed(leaf.value) if isinstance(leaf.value, bytes) else leaf.value
    return {"type": LEAF_TYPES[leaf.name].value, "name": leaf.name, "value": value, "salt": hexed(leaf.salt)}


def node_as_leaf(document: JsonObject) -> None:
    """A shorter batch proof, with an inner node in place of a leaf, cannot lead to the root."""
    proof = get(document, ("inclusion", "proof"))
    assert isinstance(proof, list)
    del proof[0]


def self_published() -> str:
    """The golden attestation, unsigned by anybody we know, in a root that the publisher key did publish."""
    forged = sign_score(17, key=OTHER_KEY)
    return file_text(FakeChain().publish([forged], first_index=17)[0])


def other_index() -> str:
    """Signed for another index than the one that its root owns."""
    stray = sign_score(400)
    return file_text(FakeChain().publish([stray], first_index=15)[0])
