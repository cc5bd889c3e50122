"""Proofs in OpenZeppelin's StandardMerkleTree: sorted pairs, leaves hashed twice.

A leaf is hashed twice so that the 64 bytes of an inner node can never pose as one
(OpenZeppelin issues 3091 and 4818).
"""

from collections.abc import Sequence

from bonafides.errors import InvalidInput
from bonafides.hashing import keccak
from bonafides.types import Address, Digest


def hash_leaf(encoded: bytes) -> Digest:
    """Leaf of `encoded`, which is the `abi.encode` of the leaf's fields."""
    return keccak(keccak(encoded))


def hash_pair(left: bytes, right: bytes) -> Digest:
    """Node above two nodes; their order does not matter."""
    return keccak(left, right) if left < right else keccak(right, left)


def batch_leaf(revocation_index: int, struct_hash: Digest) -> Digest:
    """Leaf of the batch tree: `(uint256 revocationIndex, bytes32 structHash)`."""
    return hash_leaf(revocation_index.to_bytes(32) + struct_hash)


def subject_leaf(wallet: Address, salt: Digest) -> Digest:
    """Leaf of the subject tree: `(address wallet, bytes32 salt)`."""
    return hash_leaf(bytes(12) + wallet + salt)


def root_from_proof(leaf: Digest, proof: Sequence[Digest]) -> Digest:
    """The root that the proof leads to; the caller compares it."""
    node = leaf
    for sibling in proof:
        node = hash_pair(node, sibling)
    return node


def root_from_multiproof(leaves: Sequence[Digest], proof: Sequence[Digest], flags: Sequence[bool]) -> Digest:
    """The root that a multiproof leads to; the caller compares it.

    The same steps as `MerkleProof.processMultiProof`, but no leaves at all are refused: there the "proof" is the root
    itself, which proves nothing.

    Raises:
        InvalidInput: no leaves, or the numbers of leaves, proof nodes and flags do not fit.
    """
    if not leaves:
        raise InvalidInput("a multiproof over no leaves proves nothing")
    if len(leaves) + len(proof) != len(flags) + 1:
        raise InvalidInput(
            f"a multiproof over {len(leaves)} leaves with {len(proof)} nodes needs "
            f"{len(leaves) + len(proof) - 1} flags, saw {len(flags)}"
        )
    if flags.count(False) != len(proof):
        raise InvalidInput(f"a multiproof with {len(proof)} nodes needs as many false flags")
    # One queue, as in Solidity: first the leaves, then the nodes made of them. It never runs dry: each true flag makes
    # it one shorter, and the two counts above leave one true flag less than there are leaves.
    queue = list(leaves)
    nodes = iter(proof)
    taken = 0
    for both_known in flags:
        left = queue[taken]
        right = queue[taken + 1] if both_known else next(nodes)
        taken += 2 if both_known else 1
        queue.append(hash_pair(left, right))
    return queue[-1]
