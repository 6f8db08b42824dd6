"""The program `inoc`, and `python -m inoc` for where it is not on the path."""

from inoc.signals import leaving_after, leaving_at_once


def main() -> None:
    """Run the verb that the command line names."""
    with leaving_after():
        with leaving_at_once():
            from inoc.cli import main as run
        run()


if __name__ == "__main__":
    main()
