"""The command `wattproof`, and in a wheel the package that holds all others (setup.py)."""


def main() -> None:
    """Run the command line (`api.cli`)."""
    from api.cli import main as command_line

    command_line()
