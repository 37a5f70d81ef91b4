# pragma version ~=0.4.3
"""
@title Base64
@license Apache-2.0
@notice Module: base64 (RFC 4648, section 4) of more than the 1,024 bytes that snekmate's encoder takes: 24 bytes become
        a word of 32 characters at a time.
"""

INPUT: constant(uint256) = 4224
OUTPUT: constant(uint256) = 5632
WORDS: constant(uint256) = 176

# The alphabet: characters 0 to 31, and 32 to 63
LOW: constant(bytes32) = 0x4142434445464748494a4b4c4d4e4f505152535455565758595a616263646566
HIGH: constant(bytes32) = 0x6768696a6b6c6d6e6f707172737475767778797a303132333435363738392b2f
PAD: constant(uint256) = 61


@internal
@pure
def _encode(data: Bytes[INPUT]) -> String[OUTPUT]:
    padded: Bytes[INPUT + 24] = concat(data, empty(bytes24))
    characters: uint256 = (4 * len(data) + 2) // 3
    words: uint256[WORDS] = empty(uint256[WORDS])
    for k: uint256 in range(WORDS):
        if 24 * k >= len(data):
            break
        chunk: uint256 = convert(slice(padded, 24 * k, 24), uint256)
        word: uint256 = 0
        for i: uint256 in range(32):
            character: uint256 = PAD
            if 32 * k + i < characters:
                six: uint256 = chunk >> (186 - 6 * i) & 63
                half: uint256 = convert(LOW, uint256) if six < 32 else convert(HIGH, uint256)
                character = half >> (8 * (31 - six % 32)) & 255
            word = word << 8 | character
        words[k] = word
    whole: Bytes[32 * WORDS] = abi_encode(words)
    return convert(slice(whole, 0, 4 * ((len(data) + 2) // 3)), String[OUTPUT])
