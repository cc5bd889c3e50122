// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title What an attester signs about one score
/// @param subject Merkle root over (address wallet, bytes32 salt): whom the score is about
/// @param commitment Merkle root over the salted leaves: what the score says
/// @param modelId Identity of the model; its class, outcome and horizon stand in the lender's trust file
/// @param asOfDigest Digest of the blocks, one per chain, that the score speaks of
/// @param asOfTime Unix seconds: the oldest of the timestamps of those blocks
/// @param issuedAt Unix seconds, by the issuer's own word
/// @param validFrom Unix seconds, inclusive
/// @param validUntil Unix seconds, exclusive
/// @param revocationIndex Bit of this attestation in the registry's revocation bitmap
/// @param flags 1 reference position, 2 thin file, 4 disputed
struct ScoreAttestation {
    bytes32 subject;
    bytes32 commitment;
    bytes32 modelId;
    bytes32 asOfDigest;
    uint64 asOfTime;
    uint64 issuedAt;
    uint64 validFrom;
    uint64 validUntil;
    uint64 revocationIndex;
    uint32 flags;
}

/// @title Hashes of a {ScoreAttestation}
library ScoreAttestationHash {
    /// @dev Never edited in place: another type is another name or another domain version.
    bytes32 internal constant TYPEHASH = keccak256(
        "ScoreAttestation(bytes32 subject,bytes32 commitment,bytes32 modelId,bytes32 asOfDigest,uint64 asOfTime,"
        "uint64 issuedAt,uint64 validFrom,uint64 validUntil,uint64 revocationIndex,uint32 flags)"
    );

    /// @notice EIP-712 struct hash.
    function structHash(ScoreAttestation memory attestation) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, attestation));
    }

    /// @notice Leaf of the batch tree. Hashed twice, so that no inner node can pose as a leaf.
    function batchLeaf(ScoreAttestation memory attestation) internal pure returns (bytes32) {
        bytes memory leaf = abi.encode(uint256(attestation.revocationIndex), structHash(attestation));
        return keccak256(bytes.concat(keccak256(leaf)));
    }
}
