"""Our tree against OpenZeppelin's JavaScript library, and the laws of proofs."""

from typing import Any

import pytest
from bonafides.errors import InvalidInput
from bonafides.hashing import keccak
from bonafides.types import Digest
from bonafides.verify.merkle import batch_leaf, hash_pair, root_from_multiproof, root_from_proof, subject_leaf
from bonafides_attestation.merkle import StandardMerkleTree
from hypothesis import given
from hypothesis import strategies as st

from tests.support.attestation_vector_file import read_vectors

pytestmark = pytest.mark.unit

TREES: list[dict[str, Any]] = read_vectors("attestation_merkle.json")["trees"]
LEAVES = st.lists(st.binary(min_size=32, max_size=32).map(Digest), min_size=1, max_size=40, unique=True)


def digests(texts: list[str]) -> list[Digest]:
    return [Digest(bytes.fromhex(text[2:])) for text in texts]


@pytest.mark.parametrize("golden", TREES, ids=lambda tree: tree["name"])
def test_tree__openzeppelins_values__same_root_proofs_and_multiproofs(golden: dict[str, Any]) -> None:
    leaves = digests(golden["leaves"])

    tree = StandardMerkleTree(leaves)

    assert tree.root == digests([golden["root"]])[0]
    assert [list(tree.proof(leaf)) for leaf in leaves] == [digests(proof) for proof in golden["proofs"]]
    for expected in golden["multiproofs"]:
        made = tree.multiproof([leaves[index] for index in expected["indexes"]])
        assert list(made.leaves) == digests(expected["leaves"])
        assert list(made.proof) == digests(expected["proof"])
        assert list(made.flags) == expected["proofFlags"]


def test_batch_leaf__openzeppelins_values__same_hash() -> None:
    for golden in (tree for tree in TREES if tree["types"] == ["uint256", "bytes32"]):
        made = [batch_leaf(int(index), digests([text])[0]) for index, text in golden["values"]]

        assert made == digests(golden["leaves"])


def test_subject_leaf__openzeppelins_values__same_hash() -> None:
    golden = next(tree for tree in TREES if tree["types"] == ["address", "bytes32"])

    made = [subject_leaf(bytes.fromhex(wallet[2:]), digests([salt])[0]) for wallet, salt in golden["values"]]  # type: ignore[arg-type]

    assert made == digests(golden["leaves"])


@given(LEAVES)
def test_proof__any_tree__leads_each_leaf_to_the_root(leaves: list[Digest]) -> None:
    tree = StandardMerkleTree(leaves)

    assert all(root_from_proof(leaf, tree.proof(leaf)) == tree.root for leaf in leaves)


@given(LEAVES, st.data())
def test_multiproof__any_chosen_leaves__leads_to_the_root(leaves: list[Digest], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(leaves), min_size=1, unique=True))

    made = StandardMerkleTree(leaves).multiproof(chosen)

    assert sorted(made.leaves) == sorted(chosen)
    assert root_from_multiproof(made.leaves, made.proof, made.flags) == StandardMerkleTree(leaves).root


@given(LEAVES, st.data())
def test_multiproof__another_leaf_put_in__leads_elsewhere(leaves: list[Digest], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(leaves), min_size=1, unique=True))
    made = StandardMerkleTree(leaves).multiproof(chosen)
    place = data.draw(st.integers(0, len(made.leaves) - 1))
    forged = list(made.leaves)
    forged[place] = keccak(forged[place])

    assert root_from_multiproof(forged, made.proof, made.flags) != StandardMerkleTree(leaves).root


@given(LEAVES)
def test_tree__another_order_of_leaves__same_root(leaves: list[Digest]) -> None:
    assert StandardMerkleTree(leaves).root == StandardMerkleTree(leaves[::-1]).root


def test_tree__one_leaf__is_its_own_root() -> None:
    leaf = keccak(b"alone")

    tree = StandardMerkleTree([leaf])

    assert (tree.root, tree.proof(leaf)) == (leaf, ())


def test_tree__no_leaves_or_one_twice__is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        StandardMerkleTree([])
    with pytest.raises(InvalidInput, match="twice"):
        StandardMerkleTree([keccak(b"a"), keccak(b"a")])


def test_multiproof__nothing_twice_or_unknown__is_refused() -> None:
    tree = StandardMerkleTree([keccak(b"a"), keccak(b"b")])

    for chosen in ([], [keccak(b"a"), keccak(b"a")], [keccak(b"c")]):
        with pytest.raises(InvalidInput):
            tree.multiproof(chosen)


@pytest.mark.parametrize(
    ("leaves", "proof", "flags"),
    [(0, 1, 0), (1, 1, 0), (1, 0, 1), (2, 0, 0), (1, 1, 2), (2, 1, 3), (2, 1, 1)],
)
def test_root_from_multiproof__numbers_that_do_not_fit__are_refused(leaves: int, proof: int, flags: int) -> None:
    with pytest.raises(InvalidInput):
        root_from_multiproof([keccak(b"a")] * leaves, [keccak(b"b")] * proof, [True] * flags)


@given(st.lists(st.booleans(), max_size=12), st.integers(0, 6), st.integers(0, 6))
def test_root_from_multiproof__any_shape__gives_a_root_or_is_refused(
    flags: list[bool], leaves: int, proof: int
) -> None:
    """No shape takes a node that is not there."""
    try:
        root = root_from_multiproof([keccak(b"a")] * leaves, [keccak(b"b")] * proof, flags)
    except InvalidInput:
        return
    assert len(root) == 32


def test_hash_pair__either_order__same_node() -> None:
    a, b = keccak(b"a"), keccak(b"b")

    assert hash_pair(a, b) == hash_pair(b, a) == keccak(min(a, b) + max(a, b))
