// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CreditScoreRegistry} from "../src/CreditScoreRegistry.sol";
import {RootRecord} from "../src/ICreditScoreRegistry.sol";
import {RegistryFixture} from "./RegistryFixture.sol";
import {Test} from "./Vm.sol";

/// @dev Plays every role in random order and remembers what it saw.
contract Players is Test {
    CreditScoreRegistry internal immutable registry;
    address internal immutable admin;
    address internal immutable guardian;

    bytes32[] public roots;
    mapping(bytes32 root => bytes32 record) public firstSeen;
    uint64[] public revoked;
    uint32 public highestEpoch;
    bool public publishedWhilePaused;

    constructor(CreditScoreRegistry registry_, address admin_, address guardian_) {
        (registry, admin, guardian) = (registry_, admin_, guardian_);
    }

    function publish(bytes32 root, uint32 count, uint32 epoch) external {
        // Half of the tries are right, so that the sequence moves.
        if (epoch % 2 == 0) epoch = registry.epoch() + 1;
        if (root[0] & 0x01 == 0) count = uint32(bound(count, 1, registry.MAX_COUNT()));
        bool paused = registry.paused();
        vm.prank(registry.publisher());
        try registry.publishRoot(root, count, epoch) {
            if (paused) publishedWhilePaused = true;
            roots.push(root);
            firstSeen[root] = keccak256(abi.encode(registry.rootRecord(root)));
            highestEpoch = registry.epoch();
        } catch {}
    }

    function publishAgain(uint256 which) external {
        if (roots.length == 0) return;
        bytes32 root = roots[which % roots.length];
        uint32 next = registry.epoch() + 1;
        vm.prank(registry.publisher());
        try registry.publishRoot(root, 1, next) {
            roots.push(root);
        } catch {}
    }

    function revoke(uint64 index) external {
        uint64 next = registry.nextIndex();
        if (next == 0) return;
        uint64[] memory indexes = new uint64[](1);
        indexes[0] = index % next;
        vm.prank(registry.publisher());
        registry.revoke(indexes);
        revoked.push(indexes[0]);
    }

    function pause() external {
        vm.prank(guardian);
        registry.pause();
    }

    function unpause() external {
        if (!registry.paused()) return;
        vm.prank(admin);
        registry.unpause();
    }

    function wait(uint32 time) external {
        vm.warp(block.timestamp + time % 30 days);
    }

    function counts() external view returns (uint256, uint256) {
        return (roots.length, revoked.length);
    }
}

contract RegistryInvariants is RegistryFixture {
    Players internal players;

    function setUp() public override {
        super.setUp();
        players = new Players(registry, ADMIN, GUARDIAN);
        vm.prank(ADMIN);
        registry.setPublisher(PUBLISHER);
    }

    /// @dev Only the players act.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(players);
    }

    function invariant_epoch__only_grows_by_one_per_root() public view {
        (uint256 roots,) = players.counts();
        assertEq(registry.epoch(), roots);
        assertEq(registry.epoch(), players.highestEpoch());
    }

    function invariant_root__never_changes() public view {
        (uint256 roots,) = players.counts();
        for (uint256 i = 0; i < roots; ++i) {
            bytes32 root = players.roots(i);
            assertEq(keccak256(abi.encode(registry.rootRecord(root))), players.firstSeen(root));
        }
    }

    function invariant_index__belongs_to_one_root() public view {
        (uint256 roots,) = players.counts();
        uint64 next = 0;
        for (uint256 i = 0; i < roots; ++i) {
            RootRecord memory record = registry.rootRecord(players.roots(i));
            assertEq(record.firstIndex, next);
            next = record.firstIndex + record.count;
        }
        assertEq(registry.nextIndex(), next);
    }

    function invariant_revoked__stays_revoked() public view {
        (, uint256 revoked) = players.counts();
        for (uint256 i = 0; i < revoked; ++i) {
            assertTrue(registry.isRevoked(players.revoked(i)), "revoked stays revoked");
        }
    }

    function invariant_paused__means_no_publish() public view {
        assertTrue(!players.publishedWhilePaused(), "a root was published while paused");
    }
}
