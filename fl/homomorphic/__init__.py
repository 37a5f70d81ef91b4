"""Sums under homomorphic encryption: the homes share a secret key, and the coordinator adds ciphertexts blindly.

    ciphertexts    BFV (Fan and Vercauteren, 2012) by TenSEAL: encrypt, add, decrypt, exactly
    tag            a tag that only the true sum has (Agrawal and Boneh, ACNS 2009)
    member         a home's side of one sum
    home_mod       the same as a Flower mod
    sum_round      the coordinator's side, in place of `fl.secagg.exchanges.MaskedRound`

**Any one home colluding with the coordinator can read every update**: each home has the key. Masked sums withstand up
to `Session.colluders` such homes. docs/secure-sums.md compares the two.
"""
