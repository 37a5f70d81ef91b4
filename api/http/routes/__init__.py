"""HTTP routes, one file for each noun. VERSIONED: those below /v1."""

from api.http.routes import (
    accuracy,
    claims,
    community,
    days,
    events,
    export,
    forecasts,
    green_shares,
    heads,
    households,
    manage,
    membership,
    proofs,
    rounds,
    session,
    shared_energy,
    sums,
    surplus,
    weather,
)

VERSIONED = (
    community, households, membership, rounds, heads, days, accuracy, forecasts, proofs, claims, sums, weather,
    events, session, manage, shared_energy, surplus, green_shares,
    export,
)  # fmt: skip
