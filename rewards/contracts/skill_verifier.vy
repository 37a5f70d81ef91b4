# pragma version ~=0.4.3
"""
@title Skill verifier
@license Apache-2.0
@notice Checks the zero-knowledge proof that a committed forecast was nearer to the readings than eight benchmarks, by
        a claimed number of buckets of 100 Wh (zkp/statements/skill.py).
        The verifier's transcript and field arithmetic run in PROGRAM, which is compiled from the very verifier that
        everybody runs off chain (zkp/evm.py); what that leaves is one equation of BLS12-381, e(left, G2) =
        e(witness, tau G2), which is settled here with the precompiles of EIP-2537.
        Those take points as (x, y), 64 bytes each, and refuse what is not on the curve or not in the subgroup, for
        G1MSM and pairing alike. Proofs hold compressed points: x and the sign of y. So the caller brings y along, and
        it is held to that sign here.
        Many proofs are settled together: the equations that they leave are added, each times a weight, and one sum and
        one pairing check settle all (small exponents test: Bellare, Garay, Rabin, Fast batch verification for modular
        exponentiation and digital signatures, EUROCRYPT 1998, section 3; weights of 255 bits). The weights are hashed
        from all points and scalars of all equations, so whoever made a proof could not know them.
"""

COMMUNITY: public(immutable(bytes32))
PROGRAM: public(immutable(address))
CEREMONY: public(immutable(address))

HEADER: constant(Bytes[4]) = b"WPS\x05"
PROOF: constant(uint256) = 1076
BODY: constant(uint256) = PROOF - 4
ROTATIONS: constant(uint32) = 7

# The meter's commitments in a statement: the day, then the seven days of the benchmarks. Those enter as their sum.
DAYS: constant(uint256) = 7
STATEMENT: constant(uint256) = 494

# Where points begin in statement and proof: those of the left side, the sum of the days' in the place of the third;
# then the seven days'. The last one of the left side is on the right side as well.
POINTS: constant(uint256) = 8
PLACES: constant(uint256[POINTS]) = [62, 110, 0, 494, 542, 1390, 1438, 1486]
PAST: constant(uint256) = 2
PAST_PLACE: constant(uint256) = 158
WITNESS: constant(uint256) = 7

# CEREMONY holds code that is data: the powers of tau and the blinding base as terms of a sum, 128 bytes and a scalar
# of zero each; then G2 and -tau G2.
BASES: constant(uint256) = 2
BASES_BYTES: constant(uint256) = 160 * BASES
G2_BYTES: constant(uint256) = 256
SCALARS: constant(uint256) = POINTS + BASES

# What a proof leaves to be settled: its points as terms of a sum, then the bases' scalars.
TERMS: constant(uint256) = 160 * POINTS + 32 * BASES
MANY: constant(uint256) = 20
MOST: constant(uint256) = BASES + POINTS * MANY
# The order of the group.
ORDER: constant(uint256) = 52435875175126190479447740508185965837690552500527637822603658699938581184513
# EIP-2537: a term of a sum costs at most so much. A precompile that refuses takes all the gas that it is given.
TERM_GAS: constant(uint256) = 12000

G1_ADD: constant(address) = 0x000000000000000000000000000000000000000b
G1_MSM: constant(address) = 0x000000000000000000000000000000000000000C
PAIRING_CHECK: constant(address) = 0x000000000000000000000000000000000000000F

# (p - 1) / 2 for the field's modulus p: what is above the lowest 32 bytes, and those
HALF_HIGH: constant(bytes32) = 0x000000000000000000000000000000000D0088F51CBFF34D258DD3DB21A5D66B
HALF_LOW: constant(bytes32) = 0xB23BA5C279C2895FB39869507B587B120F55FFFF58A9FFFFDCFF7FFFFFFFD555


@deploy
def __init__(community: bytes32, program: address, ceremony: address):
    COMMUNITY = community
    PROGRAM = program
    CEREMONY = ceremony


@external
@view
def verify(
    household: address,
    day: uint32,
    round: uint32,
    buckets: uint16,
    forecast: Bytes[48],
    days: Bytes[48 * (DAYS + 1)],
    proof: Bytes[PROOF],
    ordinates: Bytes[48 * (POINTS - 1 + DAYS)],
) -> bool:
    """
    @notice True, or a revert with the reason.
    @param household Whose forecast it is.
    @param day The day that was forecast.
    @param round The round of its model.
    @param buckets Units of 100 Wh of error that it avoids.
    @param forecast The commitment to the forecast.
    @param days The meter's commitments: the day, and those from 7 to 13 days before it.
    @param proof The proof, header included.
    @param ordinates y of each point, 48 bytes: those of PLACES without the sum's, then the seven days'.
    """
    own: Bytes[TERMS] = self._terms(household, day, round, buckets, forecast, days, proof, ordinates)
    scalars: uint256[BASES] = abi_decode(slice(own, 160 * POINTS, 32 * BASES), uint256[BASES])
    left: Bytes[128] = self._sum(concat(self._bases(scalars), slice(own, 0, 160 * POINTS)))
    assert self._is_equal(left, slice(own, 160 * WITNESS, 128)), "invalid proof"
    return True


@external
@view
def terms(
    household: address,
    day: uint32,
    round: uint32,
    buckets: uint16,
    forecast: Bytes[48],
    days: Bytes[48 * (DAYS + 1)],
    proof: Bytes[PROOF],
    ordinates: Bytes[48 * (POINTS - 1 + DAYS)],
) -> Bytes[TERMS]:
    """
    @notice All of `verify` but its last equation, which is left to `settle`; or a revert with the reason.
    @param household Whose forecast it is.
    @param day The day that was forecast.
    @param round The round of its model.
    @param buckets Units of 100 Wh of error that it avoids.
    @param forecast The commitment to the forecast.
    @param days The meter's commitments, as for `verify`.
    @param proof The proof, header included.
    @param ordinates As for `verify`.
    @return Points of the equation's left side as terms of a sum, then the scalars of the bases.
    """
    return self._terms(household, day, round, buckets, forecast, days, proof, ordinates)


@external
@view
def settle(equations: DynArray[Bytes[TERMS], MANY]) -> bool:
    """
    @notice Whether the equations that proofs have left hold, all of them. A point that is none is refused.
    @param equations What `terms` has given for each proof.
    @return Whether all hold; of one that does not, nothing is said.
    """
    seed: bytes32 = empty(bytes32)
    for one: Bytes[TERMS] in equations:
        assert len(one) == TERMS, "malformed proof"
        seed = keccak256(concat(seed, keccak256(one)))
    left: uint256[5 * MOST] = empty(uint256[5 * MOST])
    right: uint256[5 * MANY] = empty(uint256[5 * MANY])
    bases: uint256[BASES] = empty(uint256[BASES])
    n: uint256 = 0
    for one: Bytes[TERMS] in equations:
        weight: uint256 = convert(keccak256(concat(seed, convert(n, bytes32))), uint256) % ORDER
        words: uint256[5 * POINTS + BASES] = abi_decode(one, uint256[5 * POINTS + BASES])
        for k: uint256 in range(POINTS):
            to: uint256 = 5 * (BASES + POINTS * n + k)
            for w: uint256 in range(4):
                left[to + w] = words[5 * k + w]
            left[to + 4] = uint256_mulmod(words[5 * k + 4], weight, ORDER)
        for w: uint256 in range(4):
            right[5 * n + w] = words[5 * WITNESS + w]
        right[5 * n + 4] = weight
        for k: uint256 in range(BASES):
            bases[k] = uint256_addmod(bases[k], uint256_mulmod(words[5 * POINTS + k], weight, ORDER), ORDER)
        n += 1
    first: uint256[5 * BASES] = abi_decode(self._bases(bases), uint256[5 * BASES])
    for w: uint256 in range(5 * BASES):
        left[w] = first[w]
    count: uint256 = BASES + POINTS * n
    accepted: bool = False
    sum: Bytes[128] = b""
    accepted, sum = raw_call(
        G1_MSM, slice(abi_encode(left), 0, 160 * count), max_outsize=128, gas=TERM_GAS * count, is_static_call=True,
        revert_on_failure=False,
    )
    assert accepted and len(sum) == 128, "malformed point"
    witness: Bytes[128] = b""
    accepted, witness = raw_call(
        G1_MSM, slice(abi_encode(right), 0, 160 * n), max_outsize=128, gas=TERM_GAS * n, is_static_call=True,
        revert_on_failure=False,
    )
    assert accepted and len(witness) == 128, "malformed point"
    return self._is_equal(sum, witness)


@internal
@view
def _terms(
    household: address,
    day: uint32,
    round: uint32,
    buckets: uint16,
    forecast: Bytes[48],
    days: Bytes[48 * (DAYS + 1)],
    proof: Bytes[PROOF],
    ordinates: Bytes[48 * (POINTS - 1 + DAYS)],
) -> Bytes[TERMS]:
    assert len(forecast) == 48 and len(days) == 48 * (DAYS + 1), "malformed statement"
    assert len(proof) == PROOF and len(ordinates) == 48 * (POINTS - 1 + DAYS), "malformed proof"
    assert slice(proof, 0, 4) == HEADER, "malformed proof"
    message: Bytes[STATEMENT + BODY] = concat(
        COMMUNITY, convert(household, bytes20), convert(day, bytes4), convert(round, bytes4),
        convert(buckets, bytes2), forecast, days, slice(proof, 4, BODY),
    )
    scalars: uint256[SCALARS] = self._run(message, day, buckets)
    own: uint256[5 * POINTS + BASES] = empty(uint256[5 * POINTS + BASES])
    y: uint256 = 0
    for k: uint256 in range(POINTS):
        point: uint256[4] = empty(uint256[4])
        if k == PAST:
            point = self._past(message, ordinates)
        else:
            point = self._point(message, PLACES[k], ordinates, y)
            y += 48
        for n: uint256 in range(4):
            own[5 * k + n] = point[n]
        own[5 * k + 4] = scalars[k]
    for k: uint256 in range(BASES):
        own[5 * POINTS + k] = scalars[POINTS + k]
    return abi_encode(own)


@internal
@view
def _bases(scalars: uint256[BASES]) -> Bytes[BASES_BYTES]:
    """The ceremony's points as terms of a sum."""
    bases: uint256[5 * BASES] = abi_decode(slice(CEREMONY.code, 0, BASES_BYTES), uint256[5 * BASES])
    for k: uint256 in range(BASES):
        bases[5 * k + 4] = scalars[k]
    return abi_encode(bases)


@internal
@view
def _run(message: Bytes[STATEMENT + BODY], day: uint32, buckets: uint16) -> uint256[SCALARS]:
    """Scalars of the left side. The program's numbers are the buckets and, one-hot, the day modulo 7."""
    numbers: uint256[1 + ROTATIONS] = empty(uint256[1 + ROTATIONS])
    numbers[0] = convert(buckets, uint256)
    numbers[1 + day % ROTATIONS] = 1
    accepted: bool = False
    output: Bytes[32 * SCALARS] = b""
    accepted, output = raw_call(
        PROGRAM, concat(message, abi_encode(numbers)), max_outsize=32 * SCALARS, is_static_call=True,
        revert_on_failure=False,
    )
    assert accepted, "invalid proof"
    return abi_decode(output, uint256[SCALARS])


@internal
@pure
def _point(
    message: Bytes[STATEMENT + BODY], place: uint256, ordinates: Bytes[48 * (POINTS - 1 + DAYS)], y: uint256
) -> uint256[4]:
    """x and y as the precompiles take them: 16 bytes of zero, 48 bytes. ZCash's flags: compressed, infinity, sign."""
    high: uint256 = convert(slice(message, place, 16), uint256)
    y_high: uint256 = convert(slice(ordinates, y, 16), uint256)
    y_low: uint256 = convert(slice(ordinates, y + 16, 32), uint256)
    assert high >> 126 == 2, "malformed point"
    assert y_high | y_low != 0, "malformed point"  # zeros stand for infinity; no other point in the subgroup has y = 0
    half: uint256 = convert(HALF_HIGH, uint256)
    larger: bool = y_high > half or (y_high == half and y_low > convert(HALF_LOW, uint256))
    assert (high >> 125 & 1 == 1) == larger, "malformed point"
    return [high & (1 << 125) - 1, convert(slice(message, place + 16, 32), uint256), y_high, y_low]


@internal
@view
def _past(message: Bytes[STATEMENT + BODY], ordinates: Bytes[48 * (POINTS - 1 + DAYS)]) -> uint256[4]:
    """
    The sum of the seven days' commitments. G1ADD does not ask for the subgroup; the sum is a term of G1MSM, which
    does, and what is in it is all that the proof speaks of.
    """
    total: uint256[4] = self._point(message, PAST_PLACE, ordinates, 48 * (POINTS - 1))
    for k: uint256 in range(1, DAYS):
        point: uint256[4] = self._point(message, PAST_PLACE + 48 * k, ordinates, 48 * (POINTS - 1 + k))
        accepted: bool = False
        output: Bytes[128] = b""
        accepted, output = raw_call(
            G1_ADD, abi_encode(total, point), max_outsize=128, is_static_call=True, revert_on_failure=False
        )
        assert accepted and len(output) == 128, "malformed point"
        total = abi_decode(output, uint256[4])
    return total


@internal
@view
def _sum(terms: Bytes[160 * SCALARS]) -> Bytes[128]:
    accepted: bool = False
    output: Bytes[128] = b""
    accepted, output = raw_call(G1_MSM, terms, max_outsize=128, is_static_call=True, revert_on_failure=False)
    assert accepted and len(output) == 128, "malformed point"
    return output


@internal
@view
def _is_equal(left: Bytes[128], witness: Bytes[128]) -> bool:
    """e(left, G2) e(witness, -tau G2) = 1"""
    accepted: bool = False
    output: Bytes[32] = b""
    pairs: Bytes[768] = concat(
        left, slice(CEREMONY.code, BASES_BYTES, 256), witness, slice(CEREMONY.code, BASES_BYTES + 256, 256)
    )
    accepted, output = raw_call(PAIRING_CHECK, pairs, max_outsize=32, is_static_call=True, revert_on_failure=False)
    return accepted and len(output) == 32 and convert(output, uint256) == 1
