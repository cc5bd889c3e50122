// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CreditScoreRegistry} from "../src/CreditScoreRegistry.sol";
import {Test} from "./Vm.sol";

/// @dev A registry as it stands on its first day, and who holds which power.
abstract contract RegistryFixture is Test {
    address internal constant ADMIN = address(0xA11CE);
    address internal constant GUARDIAN = address(0x6A4D);
    address internal constant PUBLISHER = address(0x9B115);
    address internal constant ATTESTER = address(0xA77E57);
    address internal constant STRANGER = address(0x57A4);
    uint48 internal constant DELAY = 3 days;
    uint64 internal constant START = 1_800_000_000;
    uint64 internal constant KEY_END = START + 365 days;

    CreditScoreRegistry internal registry;

    function setUp() public virtual {
        vm.warp(START);
        registry = new CreditScoreRegistry(powers());
    }

    function powers() internal pure returns (CreditScoreRegistry.Powers memory) {
        return CreditScoreRegistry.Powers({
            admin: ADMIN,
            adminDelay: DELAY,
            guardian: GUARDIAN,
            publisher: PUBLISHER,
            attester: ATTESTER,
            attesterValidFrom: START - 1 days,
            attesterValidUntil: KEY_END
        });
    }

    function publish(bytes32 root, uint32 count) internal returns (uint64) {
        uint32 next = registry.epoch() + 1;
        vm.prank(PUBLISHER);
        return registry.publishRoot(root, count, next);
    }

    function revokeOne(uint64 index) internal {
        uint64[] memory indexes = new uint64[](1);
        indexes[0] = index;
        vm.prank(PUBLISHER);
        registry.revoke(indexes);
    }
}
