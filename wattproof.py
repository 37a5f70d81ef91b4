"""The command `wattproof`, and in a wheel the package that holds all others (setup.py)."""


def main() -> None:
    """Run the command line (`api.cli.main`)."""
    from api.cli.main import main as command_line

    command_line()


if __name__ == "__main__":
    main()
