// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ICreditScoreRegistry, KeyRecord, RootRecord} from "./ICreditScoreRegistry.sol";

/// @title Registry of one issuer. See {ICreditScoreRegistry}.
/// @dev No proxy and no upgrade: a new version is a new address, named as the successor.
contract CreditScoreRegistry is ICreditScoreRegistry, AccessControlDefaultAdminRules, EIP712 {
    /// @notice May pause, revoke attester keys and remove the publisher.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");

    /// @notice Most leaves that one root may cover, so that a stolen publisher key cannot use up the index space.
    uint32 public constant MAX_COUNT = 65_536;

    /// @dev One storage slot: publishing reads and writes it once (role, pause and sequence together).
    struct State {
        address publisher;
        bool paused;
        uint32 epoch;
        uint56 nextIndex;
    }

    /// @dev Who holds which power on the first day.
    struct Powers {
        address admin;
        uint48 adminDelay;
        address guardian;
        address publisher;
        address attester;
        uint64 attesterValidFrom;
        uint64 attesterValidUntil;
    }

    State private _state;
    mapping(bytes32 root => RootRecord) private _roots;
    mapping(address attester => KeyRecord) private _keys;
    mapping(uint256 word => uint256 bits) private _revoked;

    /// @inheritdoc ICreditScoreRegistry
    address public successor;

    modifier onlyGuardian() {
        if (!hasRole(GUARDIAN_ROLE, msg.sender) && !hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) {
            revert NotGuardian(msg.sender);
        }
        _;
    }

    /// @param powers The first attester key may count from any time: nobody relies on a registry before it exists.
    constructor(Powers memory powers)
        AccessControlDefaultAdminRules(powers.adminDelay, powers.admin)
        EIP712("Bonafides CreditScoreRegistry", "1")
    {
        if (powers.guardian == address(0)) {
            revert ZeroAddress();
        }
        _grantRole(GUARDIAN_ROLE, powers.guardian);
        _setPublisher(powers.publisher);
        _addAttester(powers.attester, powers.attesterValidFrom, powers.attesterValidUntil, 0);
    }

    /// @inheritdoc ICreditScoreRegistry
    function publishRoot(bytes32 root, uint32 count, uint32 expectedEpoch) external returns (uint64 firstIndex) {
        State memory state = _state;
        if (msg.sender != state.publisher) revert NotPublisher(msg.sender);
        if (state.paused) revert RegistryPaused();
        uint32 next = state.epoch + 1;
        if (expectedEpoch != next) revert WrongEpoch(expectedEpoch, next);
        if (count == 0 || count > MAX_COUNT) revert WrongCount(count);
        if (root == bytes32(0)) revert ZeroRoot();
        RootRecord storage record = _roots[root];
        if (record.publishedAt != 0) revert RootAlreadyPublished(root);

        firstIndex = state.nextIndex;
        state.epoch = next;
        state.nextIndex += count;
        _state = state;
        _roots[root] =
            RootRecord({publishedAt: uint64(block.timestamp), epoch: next, firstIndex: firstIndex, count: count});
        emit RootPublished(root, next, firstIndex, count);
    }

    /// @inheritdoc ICreditScoreRegistry
    function revoke(uint64[] calldata indexes) external {
        if (msg.sender != _state.publisher) revert NotPublisher(msg.sender);
        uint64 next = _state.nextIndex;
        uint256 i = 0;
        while (i < indexes.length) {
            // Neighbours in one word are collected before the word is written once.
            uint64 index = indexes[i];
            uint64 word = index >> 8;
            uint256 before = _revoked[word];
            uint256 bits = before;
            while (true) {
                if (index >= next) revert IndexNotPublished(index, next);
                uint256 bit = 1 << (index & 0xff);
                if (bits & bit == 0) {
                    bits |= bit;
                    emit IndexRevoked(index);
                }
                unchecked {
                    if (++i == indexes.length) break;
                }
                index = indexes[i];
                if (index >> 8 != word) break;
            }
            if (bits != before) _revoked[word] = bits;
        }
    }

    /// @inheritdoc ICreditScoreRegistry
    function addAttester(address attester, uint64 validFrom, uint64 validUntil) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _addAttester(attester, validFrom, validUntil, uint64(block.timestamp) + defaultAdminDelay());
    }

    /// @inheritdoc ICreditScoreRegistry
    function revokeAttester(address attester) external onlyGuardian {
        KeyRecord storage record = _keys[attester];
        if (record.validUntil == 0) revert UnknownAttester(attester);
        if (record.revokedAt != 0) revert AttesterAlreadyRevoked(attester);
        record.revokedAt = uint64(block.timestamp);
        emit AttesterRevoked(attester, uint64(block.timestamp));
    }

    /// @inheritdoc ICreditScoreRegistry
    function setPublisher(address account) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setPublisher(account);
    }

    /// @inheritdoc ICreditScoreRegistry
    function removePublisher() external onlyGuardian {
        emit PublisherChanged(_state.publisher, address(0));
        _state.publisher = address(0);
    }

    /// @inheritdoc ICreditScoreRegistry
    function pause() external onlyGuardian {
        _state.paused = true;
        emit Paused(msg.sender);
    }

    /// @inheritdoc ICreditScoreRegistry
    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (!_state.paused) revert RegistryNotPaused();
        _state.paused = false;
        emit Unpaused(msg.sender);
    }

    /// @inheritdoc ICreditScoreRegistry
    function nameSuccessor(address account) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (account == address(0)) revert ZeroAddress();
        if (successor != address(0)) revert SuccessorAlreadyNamed(successor);
        successor = account;
        emit SuccessorNamed(account);
    }

    /// @inheritdoc ICreditScoreRegistry
    function lookup(bytes32 root, address attester, uint64 index)
        external
        view
        returns (RootRecord memory rootRecord_, KeyRecord memory keyRecord_, bool revoked)
    {
        return (_roots[root], _keys[attester], isRevoked(index));
    }

    /// @inheritdoc ICreditScoreRegistry
    function rootRecord(bytes32 root) external view returns (RootRecord memory) {
        return _roots[root];
    }

    /// @inheritdoc ICreditScoreRegistry
    function keyRecord(address attester) external view returns (KeyRecord memory) {
        return _keys[attester];
    }

    /// @inheritdoc ICreditScoreRegistry
    function isRevoked(uint64 index) public view returns (bool) {
        return _revoked[index >> 8] & (1 << (index & 0xff)) != 0;
    }

    /// @inheritdoc ICreditScoreRegistry
    function revocationWord(uint256 word) external view returns (uint256) {
        return _revoked[word];
    }

    /// @inheritdoc ICreditScoreRegistry
    function epoch() external view returns (uint32) {
        return _state.epoch;
    }

    /// @inheritdoc ICreditScoreRegistry
    function nextIndex() external view returns (uint64) {
        return _state.nextIndex;
    }

    /// @inheritdoc ICreditScoreRegistry
    function publisher() external view returns (address) {
        return _state.publisher;
    }

    /// @inheritdoc ICreditScoreRegistry
    function paused() external view returns (bool) {
        return _state.paused;
    }

    /// @inheritdoc ICreditScoreRegistry
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _addAttester(address attester, uint64 validFrom, uint64 validUntil, uint64 earliest) private {
        if (attester == address(0)) revert ZeroAddress();
        if (_keys[attester].validUntil != 0) revert AttesterAlreadyAdded(attester);
        if (validFrom >= validUntil || validFrom < earliest) revert WrongKeyLife(validFrom, validUntil, earliest);
        _keys[attester] = KeyRecord({validFrom: validFrom, validUntil: validUntil, revokedAt: 0});
        emit AttesterAdded(attester, validFrom, validUntil);
    }

    function _setPublisher(address account) private {
        if (account == address(0)) revert ZeroAddress();
        emit PublisherChanged(_state.publisher, account);
        _state.publisher = account;
    }
}
