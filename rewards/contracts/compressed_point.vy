# pragma version ~=0.4.3
"""
@title Compressed point
@license Apache-2.0
@notice Module: a compressed point of BLS12-381's G1 (48 bytes, ZCash's flags), as EIP-2537's precompiles take it. The
        caller brings y, which is held to the sign that the compressed point gives it. Whether it is on the curve and in
        the subgroup is the precompiles' to say.
"""

# (p - 1) / 2 for the field's modulus p: what is above the lowest 32 bytes, and those
HALF_HIGH: constant(bytes32) = 0x000000000000000000000000000000000D0088F51CBFF34D258DD3DB21A5D66B
HALF_LOW: constant(bytes32) = 0xB23BA5C279C2895FB39869507B587B120F55FFFF58A9FFFFDCFF7FFFFFFFD555


@internal
@pure
def _coordinates(compressed: Bytes[48], y: Bytes[48]) -> uint256[4]:
    """x and y, 64 bytes each."""
    high: uint256 = convert(slice(compressed, 0, 16), uint256)
    y_high: uint256 = convert(slice(y, 0, 16), uint256)
    y_low: uint256 = convert(slice(y, 16, 32), uint256)
    assert high >> 126 == 2, "malformed point"
    assert y_high | y_low != 0, "malformed point"  # zeros stand for infinity; no other point in the subgroup has y = 0
    half: uint256 = convert(HALF_HIGH, uint256)
    larger: bool = y_high > half or (y_high == half and y_low > convert(HALF_LOW, uint256))
    assert (high >> 125 & 1 == 1) == larger, "malformed point"
    return [high & (1 << 125) - 1, convert(slice(compressed, 16, 32), uint256), y_high, y_low]
