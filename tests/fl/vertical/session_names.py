"""Who is in the sessions of the tests, and for how long; apart, for a coordinator loads no PyTorch."""

HOMES = ("ada", "bob", "cyd", "dee")
PARTIES = HOMES[:3]
"""Those that are processes where there are processes."""
PARTNER = "charger"
COLUMNS = ("booked", "plugged")
DAYS, LEARNT = 60, 45
