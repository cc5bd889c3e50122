// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title A root that was published
/// @dev One storage slot. `publishedAt` is never 0 for a published root.
/// @param publishedAt Unix seconds of the block that published the root
/// @param epoch Place of the root in the sequence of this registry; the first is 1
/// @param firstIndex Revocation index of the first leaf of the batch, set by this contract
/// @param count Number of leaves, 1..65,536: the batch owns the indexes [firstIndex, firstIndex + count)
struct RootRecord {
    uint64 publishedAt;
    uint32 epoch;
    uint64 firstIndex;
    uint32 count;
}

/// @title When the signatures of an attester key count
/// @dev One storage slot. `validUntil` is never 0 for a known key. A key is added once and never changed but by revocation.
/// @param validFrom Unix seconds, inclusive: earliest `issuedAt` that this key may sign
/// @param validUntil Unix seconds, exclusive: end of the key's planned life
/// @param revokedAt Unix seconds of the revocation, 0 if never. Afterwards a signature of this key counts only in a
/// root with `publishedAt < revokedAt`; what the document says about its own age decides nothing
struct KeyRecord {
    uint64 validFrom;
    uint64 validUntil;
    uint64 revokedAt;
}

/// @title Roots, attester keys and revocations of one issuer of credit scores
/// @notice A root says *when* a batch of attestations existed. Only an attester's EIP-712 signature says *what* is in
/// one: a verifier must check both, because the publisher key is hot and whoever holds it can publish any root.
///
/// Powers, all of them:
/// - admin (one address, handed over in two steps with a delay): names the publisher and the guardians, adds attester
///   keys that start to count after the same delay, unpauses, names a successor once;
/// - publisher (one address): publishes roots and revokes indexes. A thief can deny, never forge;
/// - guardian (any number): pauses, revokes attester keys and removes the publisher, all at once. A guardian can stop
///   the registry and never start it.
/// Nobody can change or remove a root, un-revoke an index or a key, or replace this code.
interface ICreditScoreRegistry {
    /// @notice A batch of attestations now exists.
    /// @param root StandardMerkleTree root over `keccak256(keccak256(abi.encode(uint256 revocationIndex, bytes32 structHash)))`
    /// @param epoch Place in the sequence; the first is 1
    /// @param firstIndex Revocation index of the first leaf
    /// @param count Number of leaves
    event RootPublished(bytes32 indexed root, uint32 indexed epoch, uint64 firstIndex, uint32 count);

    /// @notice The attestation with this revocation index no longer counts.
    event IndexRevoked(uint64 indexed index);

    /// @notice An attester key was announced. Its signatures count from `validFrom`.
    /// @param attester The key's address
    /// @param validFrom Unix seconds, inclusive
    /// @param validUntil Unix seconds, exclusive
    event AttesterAdded(address indexed attester, uint64 validFrom, uint64 validUntil);

    /// @notice An attester key was revoked. Its signatures count only in roots published before `revokedAt`.
    /// @param attester The key's address
    /// @param revokedAt Unix seconds
    event AttesterRevoked(address indexed attester, uint64 revokedAt);

    /// @notice The publisher was replaced. The zero address means that nobody can publish.
    event PublisherChanged(address indexed previous, address indexed current);

    /// @notice Publishing stopped. What was published stays readable and revocable.
    event Paused(address account);

    /// @notice Publishing may go on.
    event Unpaused(address account);

    /// @notice New attestations of this issuer are published elsewhere.
    event SuccessorNamed(address indexed successor);

    /// @notice The caller is not the publisher.
    error NotPublisher(address account);
    /// @notice The caller is neither a guardian nor the admin.
    error NotGuardian(address account);
    /// @notice Publishing is paused.
    error RegistryPaused();
    /// @notice Publishing is not paused, so there is nothing to end.
    error RegistryNotPaused();
    /// @notice The publisher's view of the sequence is stale: another root came first.
    error WrongEpoch(uint32 expected, uint32 next);
    /// @notice A batch holds 1..65,536 leaves.
    error WrongCount(uint32 count);
    /// @notice No tree has this root.
    error ZeroRoot();
    /// @notice This root was published before. A second publication would give its leaves other indexes.
    error RootAlreadyPublished(bytes32 root);
    /// @notice No published root owns this index yet.
    error IndexNotPublished(uint64 index, uint64 nextIndex);
    /// @notice The zero address cannot hold this role.
    error ZeroAddress();
    /// @notice The key was added before; a key has one life.
    error AttesterAlreadyAdded(address attester);
    /// @notice No such key was added.
    error UnknownAttester(address attester);
    /// @notice The key was revoked before, and keeps that earlier time.
    error AttesterAlreadyRevoked(address attester);
    /// @notice A key's life must not be empty, and a new key counts only after the admin's delay.
    error WrongKeyLife(uint64 validFrom, uint64 validUntil, uint64 earliest);
    /// @notice A successor is named once.
    error SuccessorAlreadyNamed(address successor);

    /// @notice Publish the root of the next batch. Publisher only, not while paused.
    /// @dev Sending the same transaction twice costs gas and changes nothing: the second one reverts.
    /// @param root StandardMerkleTree root of the batch
    /// @param count Number of leaves, tombstones included, 1..65,536
    /// @param expectedEpoch The epoch that this root shall get: `epoch() + 1`
    /// @return firstIndex Revocation index of the first leaf. A publisher simulates the call, or reads `nextIndex()`,
    /// before it sends, because the leaves already contain their indexes
    function publishRoot(bytes32 root, uint32 count, uint32 expectedEpoch) external returns (uint64 firstIndex);

    /// @notice Revoke attestations. Publisher only; possible while paused. Revoking twice changes nothing.
    /// @param indexes Revocation indexes; neighbours share a storage word, so sorted lists are cheapest
    function revoke(uint64[] calldata indexes) external;

    /// @notice Announce an attester key. Admin only.
    /// @param attester The key's address, never added before
    /// @param validFrom Unix seconds, inclusive, at least the admin's delay from now
    /// @param validUntil Unix seconds, exclusive
    function addAttester(address attester, uint64 validFrom, uint64 validUntil) external;

    /// @notice Revoke an attester key at once and for ever. Guardian or admin.
    function revokeAttester(address attester) external;

    /// @notice Replace the publisher. Admin only.
    function setPublisher(address account) external;

    /// @notice Leave the registry without a publisher, at once. Guardian or admin.
    function removePublisher() external;

    /// @notice Stop publishing. Guardian or admin. Pausing twice changes nothing.
    function pause() external;

    /// @notice Let publishing go on. Admin only.
    function unpause() external;

    /// @notice Say where this issuer publishes from now on. Admin only, once. Changes no root, key or revocation.
    function nameSuccessor(address account) external;

    /// @notice Everything a verifier needs about one attestation, in one call.
    /// @param root Root that the document claims to be in
    /// @param attester Address that signed the document
    /// @param index The document's revocation index
    /// @return rootRecord_ All zero if the root was never published
    /// @return keyRecord_ All zero if the key was never added
    /// @return revoked Whether the index was revoked
    function lookup(bytes32 root, address attester, uint64 index)
        external
        view
        returns (RootRecord memory rootRecord_, KeyRecord memory keyRecord_, bool revoked);

    /// @notice The record of a root; all zero if it was never published.
    function rootRecord(bytes32 root) external view returns (RootRecord memory);

    /// @notice The record of an attester key; all zero if it was never added.
    function keyRecord(address attester) external view returns (KeyRecord memory);

    /// @notice Whether the attestation with this index was revoked.
    function isRevoked(uint64 index) external view returns (bool);

    /// @notice 256 revocation bits: bit i of word w belongs to index 256 * w + i.
    function revocationWord(uint256 word) external view returns (uint256);

    /// @notice Number of roots published so far, which is the epoch of the newest one.
    function epoch() external view returns (uint32);

    /// @notice First revocation index of the next batch.
    function nextIndex() external view returns (uint64);

    /// @notice The address that may publish and revoke; zero if there is none.
    function publisher() external view returns (address);

    /// @notice Whether publishing is paused.
    function paused() external view returns (bool);

    /// @notice Where this issuer publishes now; zero while it is here.
    function successor() external view returns (address);

    /// @notice EIP-712 domain separator of the documents of this registry.
    function domainSeparator() external view returns (bytes32);
}
