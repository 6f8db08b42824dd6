"""`python -m inoc`, for where the command `inoc` is not on the path."""

from inoc.cli import main

if __name__ == "__main__":
    main()
