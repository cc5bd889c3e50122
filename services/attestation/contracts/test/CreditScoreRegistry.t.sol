// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {
    IAccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/IAccessControlDefaultAdminRules.sol";
import {CreditScoreRegistry} from "../src/CreditScoreRegistry.sol";
import {ICreditScoreRegistry, KeyRecord, RootRecord} from "../src/ICreditScoreRegistry.sol";
import {RegistryFixture} from "./RegistryFixture.sol";

contract PublishTest is RegistryFixture {
    function test_publishRoot__first__getsEpochOneAndIndexZero() public {
        vm.expectEmit(address(registry));
        emit ICreditScoreRegistry.RootPublished(bytes32("a"), 1, 0, 10);
        uint64 firstIndex = publish("a", 10);

        RootRecord memory record = registry.rootRecord("a");
        assertEq(firstIndex, 0);
        assertEq(record.publishedAt, START);
        assertEq(record.epoch, 1);
        assertEq(record.firstIndex, 0);
        assertEq(record.count, 10);
    }

    function testFuzz_publishRoot__two__indexesFollowOnEachOther(uint32 first, uint32 second, uint64 wait) public {
        first = uint32(bound(first, 1, registry.MAX_COUNT()));
        second = uint32(bound(second, 1, registry.MAX_COUNT()));
        publish("a", first);
        vm.warp(START + bound(wait, 0, 3650 days));

        publish("b", second);

        assertEq(registry.rootRecord("b").firstIndex, first);
        assertEq(registry.rootRecord("b").publishedAt, block.timestamp);
        assertEq(registry.rootRecord("a").publishedAt, START);
        assertEq(registry.nextIndex(), uint256(first) + second);
        assertEq(registry.epoch(), 2);
    }

    function testFuzz_publishRoot__notPublisher__reverts(address caller) public {
        vm.assume(caller != PUBLISHER);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.NotPublisher.selector, caller));
        vm.prank(caller);
        registry.publishRoot("a", 1, 1);
    }

    function test_publishRoot__paused__reverts() public {
        vm.prank(GUARDIAN);
        registry.pause();
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.RegistryPaused.selector));
        vm.prank(PUBLISHER);
        registry.publishRoot("a", 1, 1);
    }

    function testFuzz_publishRoot__otherEpoch__reverts(uint32 expected) public {
        vm.assume(expected != 1);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.WrongEpoch.selector, expected, 1));
        vm.prank(PUBLISHER);
        registry.publishRoot("a", 1, expected);
    }

    function testFuzz_publishRoot__countOutOfRange__reverts(uint32 count) public {
        vm.assume(count == 0 || count > registry.MAX_COUNT());
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.WrongCount.selector, count));
        vm.prank(PUBLISHER);
        registry.publishRoot("a", count, 1);
    }

    function test_publishRoot__countAtItsEnds__passes() public {
        publish("a", 1);
        publish("b", 65_536);

        assertEq(registry.nextIndex(), 65_537);
    }

    function test_publishRoot__countZeroOrOneTooMany__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.WrongCount.selector, 0));
        vm.prank(PUBLISHER);
        registry.publishRoot("a", 0, 1);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.WrongCount.selector, 65_537));
        vm.prank(PUBLISHER);
        registry.publishRoot("a", 65_537, 1);
    }

    function test_publishRoot__zeroRoot__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.ZeroRoot.selector));
        vm.prank(PUBLISHER);
        registry.publishRoot(0, 1, 1);
    }

    function testFuzz_publishRoot__knownRoot__reverts(bytes32 root) public {
        vm.assume(root != 0);
        publish(root, 3);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.RootAlreadyPublished.selector, root));
        vm.prank(PUBLISHER);
        registry.publishRoot(root, 3, 2);
    }
}

contract RevokeTest is RegistryFixture {
    function testFuzz_revoke__published__onlyThatIndex(uint64 index, uint64 other) public {
        publish("a", 65_536);
        index = uint64(bound(index, 0, 65_535));
        other = uint64(bound(other, 0, 65_535));
        vm.assume(index != other);

        vm.expectEmit(address(registry));
        emit ICreditScoreRegistry.IndexRevoked(index);
        revokeOne(index);

        assertTrue(registry.isRevoked(index), "the index is revoked");
        assertTrue(!registry.isRevoked(other), "another is not");
        assertEq(registry.revocationWord(index / 256), 1 << (index % 256));
    }

    function test_revoke__manyAcrossWordsAndTwice__allRevoked() public {
        publish("a", 1_000);
        uint64[] memory indexes = new uint64[](5);
        (indexes[0], indexes[1], indexes[2], indexes[3], indexes[4]) = (999, 255, 256, 255, 0);

        vm.prank(PUBLISHER);
        registry.revoke(indexes);
        vm.prank(PUBLISHER);
        registry.revoke(indexes);

        assertEq(registry.revocationWord(0), (1 << 255) | 1);
        assertEq(registry.revocationWord(1), 1);
        assertEq(registry.revocationWord(3), 1 << (999 - 768));
    }

    function testFuzz_revoke__indexOfNoRoot__reverts(uint64 index) public {
        publish("a", 10);
        vm.assume(index >= 10);
        uint64[] memory indexes = new uint64[](1);
        indexes[0] = index;
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.IndexNotPublished.selector, index, 10));
        vm.prank(PUBLISHER);
        registry.revoke(indexes);
    }

    function testFuzz_revoke__notPublisher__reverts(address caller) public {
        vm.assume(caller != PUBLISHER);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.NotPublisher.selector, caller));
        vm.prank(caller);
        registry.revoke(new uint64[](0));
    }

    function test_revoke__paused__passes() public {
        publish("a", 1);
        vm.prank(GUARDIAN);
        registry.pause();

        revokeOne(0);

        assertTrue(registry.isRevoked(0), "a pause must not keep a bad document alive");
    }
}

contract KeyTest is RegistryFixture {
    address internal constant NEW_KEY = address(0x2E3);

    function test_constructor__firstKey__countsFromTheGivenTime() public view {
        KeyRecord memory record = registry.keyRecord(ATTESTER);
        assertEq(record.validFrom, START - 1 days);
        assertEq(record.validUntil, KEY_END);
        assertEq(record.revokedAt, 0);
    }

    function testFuzz_addAttester__afterTheDelay__isKept(uint64 validFrom, uint64 life) public {
        validFrom = uint64(bound(validFrom, START + DELAY, START + 10_000 days));
        life = uint64(bound(life, 1, 10_000 days));
        vm.expectEmit(address(registry));
        emit ICreditScoreRegistry.AttesterAdded(NEW_KEY, validFrom, validFrom + life);
        vm.prank(ADMIN);
        registry.addAttester(NEW_KEY, validFrom, validFrom + life);

        assertEq(registry.keyRecord(NEW_KEY).validFrom, validFrom);
        assertEq(registry.keyRecord(NEW_KEY).validUntil, validFrom + life);
    }

    function testFuzz_addAttester__beforeTheDelayOrEmpty__reverts(uint64 validFrom, uint64 validUntil) public {
        uint64 earliest = START + DELAY;
        vm.assume(validFrom < earliest || validFrom >= validUntil);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditScoreRegistry.WrongKeyLife.selector, validFrom, validUntil, earliest)
        );
        vm.prank(ADMIN);
        registry.addAttester(NEW_KEY, validFrom, validUntil);
    }

    function test_addAttester__twice__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.AttesterAlreadyAdded.selector, ATTESTER));
        vm.prank(ADMIN);
        registry.addAttester(ATTESTER, START + DELAY, KEY_END);
    }

    function test_addAttester__zero__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.ZeroAddress.selector));
        vm.prank(ADMIN);
        registry.addAttester(address(0), START + DELAY, KEY_END);
    }

    function testFuzz_addAttester__notAdmin__reverts(address caller) public {
        vm.assume(caller != ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, caller, bytes32(0))
        );
        vm.prank(caller);
        registry.addAttester(NEW_KEY, START + DELAY, KEY_END);
    }

    function testFuzz_revokeAttester__byGuardianOrAdmin__keepsTheTime(bool byAdmin, uint64 wait) public {
        vm.warp(START + bound(wait, 0, 3650 days));
        vm.expectEmit(address(registry));
        emit ICreditScoreRegistry.AttesterRevoked(ATTESTER, uint64(block.timestamp));
        vm.prank(byAdmin ? ADMIN : GUARDIAN);
        registry.revokeAttester(ATTESTER);

        assertEq(registry.keyRecord(ATTESTER).revokedAt, block.timestamp);
    }

    function test_revokeAttester__twice__revertsAndKeepsTheFirstTime() public {
        vm.prank(GUARDIAN);
        registry.revokeAttester(ATTESTER);
        vm.warp(START + 1 days);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.AttesterAlreadyRevoked.selector, ATTESTER));
        vm.prank(GUARDIAN);
        registry.revokeAttester(ATTESTER);

        assertEq(registry.keyRecord(ATTESTER).revokedAt, START);
    }

    function testFuzz_revokeAttester__unknown__reverts(address attester) public {
        vm.assume(attester != ATTESTER);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.UnknownAttester.selector, attester));
        vm.prank(GUARDIAN);
        registry.revokeAttester(attester);
    }

    function testFuzz_revokeAttester__stranger__reverts(address caller) public {
        vm.assume(caller != GUARDIAN && caller != ADMIN);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.NotGuardian.selector, caller));
        vm.prank(caller);
        registry.revokeAttester(ATTESTER);
    }

    function test_lookup__everything__inOneCall() public {
        publish("a", 300);
        revokeOne(299);

        (RootRecord memory root, KeyRecord memory key, bool revoked) = registry.lookup("a", ATTESTER, 299);

        assertEq(root.count, 300);
        assertEq(key.validUntil, KEY_END);
        assertTrue(revoked, "revoked");
    }

    function testFuzz_lookup__nothingKnown__isZero(bytes32 root, address attester, uint64 index) public view {
        vm.assume(attester != ATTESTER);
        (RootRecord memory record, KeyRecord memory key, bool revoked) = registry.lookup(root, attester, index);

        assertEq(record.publishedAt, 0);
        assertEq(key.validUntil, 0);
        assertTrue(!revoked, "not revoked");
    }
}

contract PowersTest is RegistryFixture {
    function testFuzz_setPublisher__byAdmin__replaces(address account) public {
        vm.assume(account != address(0));
        vm.expectEmit(address(registry));
        emit ICreditScoreRegistry.PublisherChanged(PUBLISHER, account);
        vm.prank(ADMIN);
        registry.setPublisher(account);

        assertEq(registry.publisher(), account);
        vm.prank(account);
        registry.publishRoot("a", 1, 1);
    }

    function test_setPublisher__zero__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.ZeroAddress.selector));
        vm.prank(ADMIN);
        registry.setPublisher(address(0));
    }

    function testFuzz_setPublisher__notAdmin__reverts(address caller) public {
        vm.assume(caller != ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, caller, bytes32(0))
        );
        vm.prank(caller);
        registry.setPublisher(caller);
    }

    function test_removePublisher__byGuardian__nobodyPublishes() public {
        vm.prank(GUARDIAN);
        registry.removePublisher();

        assertEq(registry.publisher(), address(0));
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.NotPublisher.selector, PUBLISHER));
        vm.prank(PUBLISHER);
        registry.publishRoot("a", 1, 1);
    }

    function testFuzz_removePublisher__stranger__reverts(address caller) public {
        vm.assume(caller != GUARDIAN && caller != ADMIN);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.NotGuardian.selector, caller));
        vm.prank(caller);
        registry.removePublisher();
    }

    function testFuzz_pause__stranger__reverts(address caller) public {
        vm.assume(caller != GUARDIAN && caller != ADMIN);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.NotGuardian.selector, caller));
        vm.prank(caller);
        registry.pause();
    }

    function test_unpause__byAdmin__publishesAgainWithTheSameSequence() public {
        publish("a", 7);
        vm.prank(GUARDIAN);
        registry.pause();
        assertTrue(registry.paused(), "paused");
        vm.prank(ADMIN);
        registry.unpause();

        assertEq(publish("b", 1), 7);
        assertEq(registry.epoch(), 2);
    }

    function test_unpause__byGuardian__reverts() public {
        vm.prank(GUARDIAN);
        registry.pause();
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, GUARDIAN, bytes32(0))
        );
        vm.prank(GUARDIAN);
        registry.unpause();
    }

    function test_unpause__notPaused__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.RegistryNotPaused.selector));
        vm.prank(ADMIN);
        registry.unpause();
    }

    function testFuzz_nameSuccessor__once__isKept(address account) public {
        vm.assume(account != address(0));
        vm.prank(ADMIN);
        registry.nameSuccessor(account);

        assertEq(registry.successor(), account);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.SuccessorAlreadyNamed.selector, account));
        vm.prank(ADMIN);
        registry.nameSuccessor(STRANGER);
    }

    function test_nameSuccessor__zero__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.ZeroAddress.selector));
        vm.prank(ADMIN);
        registry.nameSuccessor(address(0));
    }

    function testFuzz_nameSuccessor__notAdmin__reverts(address caller) public {
        vm.assume(caller != ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, caller, bytes32(0))
        );
        vm.prank(caller);
        registry.nameSuccessor(STRANGER);
    }

    function test_adminTransfer__afterTheDelay__passes() public {
        vm.prank(ADMIN);
        registry.beginDefaultAdminTransfer(STRANGER);
        vm.warp(START + DELAY + 1);
        vm.prank(STRANGER);
        registry.acceptDefaultAdminTransfer();

        assertEq(registry.defaultAdmin(), STRANGER);
    }

    function test_adminTransfer__beforeTheDelay__reverts() public {
        vm.prank(ADMIN);
        registry.beginDefaultAdminTransfer(STRANGER);
        vm.warp(START + DELAY);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControlDefaultAdminRules.AccessControlEnforcedDefaultAdminDelay.selector, START + DELAY
            )
        );
        vm.prank(STRANGER);
        registry.acceptDefaultAdminTransfer();
    }

    function test_constructor__withoutGuardian__reverts() public {
        CreditScoreRegistry.Powers memory wrong = powers();
        wrong.guardian = address(0);
        vm.expectRevert(abi.encodeWithSelector(ICreditScoreRegistry.ZeroAddress.selector));
        new CreditScoreRegistry(wrong);
    }

    function test_domain__eip5267__namesTheRegistry() public view {
        (bytes1 fields, string memory name, string memory version, uint256 chainId, address where,,) =
            registry.eip712Domain();

        assertTrue(fields == 0x0f, "name, version, chainId and verifyingContract");
        assertEq(keccak256(bytes(name)), keccak256("Bonafides CreditScoreRegistry"));
        assertEq(keccak256(bytes(version)), keccak256("1"));
        assertEq(chainId, block.chainid);
        assertEq(where, address(registry));
    }

    function test_domainSeparator__anotherChain__differs() public {
        bytes32 here = registry.domainSeparator();
        vm.chainId(block.chainid + 1);

        assertTrue(registry.domainSeparator() != here, "a fork of the chain has a domain of its own");
    }
}
