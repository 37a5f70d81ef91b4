"""Vertical learning: another party (a charger's operator, an installer) has further columns of the same homes.

    psi           whose records the two have in common, and nothing of the others
    terms         what a session is, as home, partner and coordinator are told
    channel       what home and partner say to each other, which passes through the coordinator sealed
    products      matrix products of two parties' columns, as shares
    ridge         ridge regression on the joined columns from such shares, summed over homes
    split         split learning: the partner's part gives a cut of a few values an hour, labels stay at the home
    entered       which days of a home are in a sum
    home, partner the two sides of a session; home_mod, partner_mod: the same as Flower mods
    coordinator   leads a session; sees sizes, sealed messages, and one sum

docs/vertical.md says what each side learns.
"""
