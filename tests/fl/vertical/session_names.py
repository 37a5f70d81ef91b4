"""Who is in the sessions of the tests, and for how long; apart, for a coordinator loads no PyTorch."""

HOMES = (  # long names: a test looks for them in what is encrypted, where three letters turn up by chance
    "ada-lovelace",
    "bob-noyce-1",
    "cyd-charisse",
    "dee-hock-42",
)
PARTIES = HOMES[:3]
"""Those that are processes where there are processes."""
PARTNER = "charger"
COLUMNS = ("booked", "plugged")
DAYS, LEARNT = 60, 45
