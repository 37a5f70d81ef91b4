"""What a home may be called: the name of its files and folders, in keys, rosters and addresses of the API."""

import re

HOME_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
HOME_NAME_RULE = (
    "a home's name has at most 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit"
)


def is_home_name(name: str) -> bool:
    """Whether a home may be called so. `NA` and `null` are names like any other."""
    return re.fullmatch(HOME_NAME, name) is not None
