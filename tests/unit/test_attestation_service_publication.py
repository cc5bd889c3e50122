"""The publisher's steps, fees and transactions."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from bonafides.errors import InvariantViolation
from bonafides.hashing import keccak
from bonafides.types import Address, Digest
from bonafides_attestation.fees import Fees, bumped_fees, suggested_fees
from bonafides_attestation.publication import (
    Action,
    Adopt,
    Finish,
    Mine,
    Patience,
    Progress,
    Receipt,
    Replace,
    Requeue,
    Send,
    Sight,
    Start,
    Unmine,
    Wait,
    next_action,
)
from bonafides_attestation.registry import publish_call, revoke_call
from bonafides_attestation.states import BatchState
from bonafides_attestation.transactions import TransactionSigner
from eth_abi.abi import encode
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from tests.support.attestation_service_samples import DOMAIN, sample_attempt

pytestmark = pytest.mark.unit

GWEI = 10**9
PATIENCE = Patience(bump_after_blocks=3, rebroadcast_after_s=60)
BLOCK, OTHER_BLOCK = Digest(keccak(b"block")), Digest(keccak(b"other block"))
FIRST, SECOND = sample_attempt(0), sample_attempt(1, stored_at_block=103)
NOTHING_SEEN = Sight(head=101, finalized=90, account_nonce=7, receipts={}, canonical_hash=None, is_done=False)
MINED = Receipt(FIRST.tx_hash, 102, BLOCK, succeeded=True)
REVERTED = replace(MINED, succeeded=False)


def sent(*attempts: object) -> Progress:
    return Progress(BatchState.SENT, attempts)  # type: ignore[arg-type]


def seen(**changes: object) -> Sight:
    return replace(NOTHING_SEEN, **changes)  # type: ignore[arg-type]


MINED_PROGRESS = Progress(BatchState.MINED, (FIRST,), block_number=102, block_hash=BLOCK)
RECEIPT_OF_SECOND: Mapping[Digest, Receipt] = {SECOND.tx_hash: replace(MINED, tx_hash=SECOND.tx_hash)}


@pytest.mark.parametrize(
    ("progress", "sight", "now", "expected"),
    [
        (Progress(BatchState.QUEUED, ()), seen(), 0, Start()),
        (Progress(BatchState.QUEUED, ()), seen(is_done=True), 0, Adopt()),
        (Progress(BatchState.QUEUED, (FIRST,)), seen(), 0, Start()),
        (sent(FIRST), seen(), 2, Wait()),
        (sent(replace(FIRST, sent_at=None)), seen(), 2, Send(replace(FIRST, sent_at=None))),
        (sent(FIRST), seen(), 61, Send(FIRST)),
        # Refused by the node when it was new: it will not do better with the same fees.
        (sent(replace(FIRST, sent_at=None)), seen(head=103), 2, Replace(replace(FIRST, sent_at=None))),
        (sent(FIRST), seen(head=103), 2, Replace(FIRST)),
        (sent(FIRST, SECOND), seen(head=104), 2, Wait()),
        (sent(FIRST), seen(receipts={FIRST.tx_hash: MINED}), 2, Mine(MINED)),
        (sent(FIRST, SECOND), seen(receipts={FIRST.tx_hash: MINED}), 2, Mine(MINED)),  # the older one was mined
        (sent(FIRST, SECOND), seen(receipts=RECEIPT_OF_SECOND), 2, Mine(RECEIPT_OF_SECOND[SECOND.tx_hash])),
        (sent(FIRST), seen(is_done=True), 2, Adopt()),
        (sent(FIRST), seen(account_nonce=8), 2, Requeue("its nonce was taken by another transaction")),
        (sent(FIRST), seen(receipts={FIRST.tx_hash: REVERTED}), 2, Requeue("the transaction reverted")),
        (MINED_PROGRESS, seen(head=102, canonical_hash=BLOCK), 2, Wait()),
        (MINED_PROGRESS, seen(head=110, finalized=101, canonical_hash=BLOCK), 2, Wait()),
        (MINED_PROGRESS, seen(head=110, finalized=102, canonical_hash=BLOCK), 2, Finish()),
        (MINED_PROGRESS, seen(head=110, finalized=102, canonical_hash=OTHER_BLOCK), 2, Unmine()),
        (MINED_PROGRESS, seen(head=101, canonical_hash=None), 2, Wait()),  # the node is behind
    ],
)
def test_next_action__what_is_stored_and_what_is_seen__is_one_step(
    progress: Progress, sight: Sight, now: float, expected: Action
) -> None:
    assert next_action(progress, sight, PATIENCE, now) == expected


@pytest.mark.parametrize("state", [BatchState.BUILT, BatchState.FINAL, BatchState.STUCK])
def test_next_action__state_that_is_not_the_publishers__stops(state: BatchState) -> None:
    with pytest.raises(InvariantViolation):
        next_action(Progress(state, ()), NOTHING_SEEN, PATIENCE, 0)


def test_suggested_fees__quiet_network__leave_room_for_the_base_fee_to_double() -> None:
    assert suggested_fees(20 * GWEI, 2 * GWEI, 200 * GWEI) == Fees(42 * GWEI, 2 * GWEI)


def test_suggested_fees__near_and_above_the_ceiling__are_cut_and_then_none() -> None:
    assert suggested_fees(20 * GWEI, 2 * GWEI, 30 * GWEI) == Fees(30 * GWEI, 2 * GWEI)
    assert suggested_fees(29 * GWEI, 2 * GWEI, 30 * GWEI) is None


def test_bumped_fees__worked_example__are_a_fifth_higher_or_what_the_network_asks() -> None:
    assert bumped_fees(Fees(100, 10), None, 1_000) == Fees(120, 12)
    assert bumped_fees(Fees(100, 10), Fees(300, 5), 1_000) == Fees(300, 12)
    assert bumped_fees(Fees(100, 10), None, 119) is None


@given(st.integers(1, 10**13), st.integers(1, 10**12))
def test_bumped_fees__any_fees__rise_by_an_eighth_at_least_and_by_something(max_fee: int, tip: int) -> None:
    bumped = bumped_fees(Fees(max_fee, tip), None, 10**15)

    assert bumped is not None
    for before, after in ((max_fee, bumped.max_fee_wei), (tip, bumped.tip_wei)):
        assert after * 1000 >= before * 1125
        assert after > before


def test_transaction_signer__transaction_and_its_replacement__differ_in_fees_alone() -> None:
    secret = keccak(b"publisher of the tests")
    signer = TransactionSigner(secret, DOMAIN)

    first = signer.sign(b"\x01\x02", 7, 60_000, Fees(100, 10))
    second = signer.sign_again(first.raw_tx, Fees(120, 12))

    assert first == signer.sign(b"\x01\x02", 7, 60_000, Fees(100, 10))
    assert second == signer.sign(b"\x01\x02", 7, 60_000, Fees(120, 12))
    assert first.tx_hash != second.tx_hash
    sender = Account.recover_transaction(second.raw_tx)
    assert Address(bytes.fromhex(sender[2:])) == signer.address


def test_calls__against_eth_abi__are_the_same_bytes() -> None:
    root = Digest(keccak(b"root"))

    assert publish_call(root, 3, 9)[4:] == encode(["bytes32", "uint32", "uint32"], [root, 3, 9])
    assert revoke_call([1, 2, 900])[4:] == encode(["uint64[]"], [[1, 2, 900]])
