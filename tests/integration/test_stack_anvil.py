"""The local chain: time, mining, finality, and what survives a stop."""

import time
from pathlib import Path

import pytest
from bonafides.errors import InvalidInput, Unavailable
from bonafides_lab.processes import free_port
from bonafides_lab.stack.anvil import AnvilOptions, LocalAnvil
from bonafides_lab.stack.anvil_rpc import AnvilRpc

from tests.support.stack_processes import is_true_within

pytestmark = pytest.mark.integration

YEAR_S = 365 * 24 * 3600


def test_anvil__started_a_year_ago__warps_and_ends_just_before_now(tmp_path: Path) -> None:
    now = int(time.time())
    anvil = LocalAnvil(tmp_path / "anvil", AnvilOptions(start_timestamp=now - YEAR_S))
    anvil.start()
    try:
        genesis = anvil.rpc.timestamp("0x0")
        anvil.rpc.set_next_timestamp(now - 60)
        anvil.rpc.mine()
        head = anvil.rpc.timestamp()
    finally:
        anvil.close()

    assert (genesis, head) == (now - YEAR_S, now - 60)


def test_increase_time__one_day__next_block_is_a_day_later(fresh_anvil: LocalAnvil) -> None:
    before = fresh_anvil.rpc.timestamp()

    fresh_anvil.rpc.increase_time(86_400)
    fresh_anvil.rpc.mine()

    assert 86_400 <= fresh_anvil.rpc.timestamp() - before <= 86_410


def test_slots_in_an_epoch__one__finalized_is_two_blocks_behind_the_head(fresh_anvil: LocalAnvil) -> None:
    fresh_anvil.rpc.mine(10)

    finalized, safe = (fresh_anvil.rpc.call("eth_getBlockByNumber", tag, False) for tag in ("finalized", "safe"))

    assert isinstance(finalized, dict)
    assert isinstance(safe, dict)
    assert (finalized["number"], safe["number"]) == (hex(8), hex(9))


def test_set_interval_mining__one_second__blocks_come_without_transactions(fresh_anvil: LocalAnvil) -> None:
    before = fresh_anvil.rpc.block_number()

    fresh_anvil.rpc.set_automine(False)
    fresh_anvil.rpc.set_interval_mining(1)

    assert is_true_within(10, lambda: fresh_anvil.rpc.block_number() >= before + 2)


def test_reorg__depth_three__replaces_hashes_and_keeps_the_height(fresh_anvil: LocalAnvil) -> None:
    fresh_anvil.rpc.mine(5)
    old = fresh_anvil.rpc.call("eth_getBlockByNumber", "latest", False)

    fresh_anvil.rpc.reorg(3)
    new = fresh_anvil.rpc.call("eth_getBlockByNumber", "latest", False)

    assert isinstance(old, dict)
    assert isinstance(new, dict)
    assert old["number"] == new["number"]
    assert old["hash"] != new["hash"]


def test_revert__snapshot__goes_back_to_it(fresh_anvil: LocalAnvil) -> None:
    snapshot = fresh_anvil.rpc.snapshot()
    fresh_anvil.rpc.mine(3)

    fresh_anvil.rpc.revert(snapshot)

    assert fresh_anvil.rpc.block_number() == 0


def test_keeps_state__stop_and_start__finds_the_chain_again(tmp_path: Path) -> None:
    anvil = LocalAnvil(tmp_path / "anvil", AnvilOptions(keeps_state=True))
    anvil.start()
    anvil.rpc.mine(7)
    before = anvil.rpc.call("eth_getBlockByNumber", "latest", False)

    anvil.stop()
    anvil.start()
    after = anvil.rpc.call("eth_getBlockByNumber", "latest", False)
    anvil.close()

    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (after["number"], after["hash"]) == (before["number"], before["hash"])


def test_rpc__node_refuses__is_invalid_input(fresh_anvil: LocalAnvil) -> None:
    with pytest.raises(InvalidInput, match=r"refused no_such_method.*Method not found"):
        fresh_anvil.rpc.call("no_such_method")


def test_rpc__nobody_answers__is_unavailable() -> None:
    with pytest.raises(Unavailable, match="does not answer eth_chainId"):
        AnvilRpc(f"http://127.0.0.1:{free_port()}").chain_id()
