"""`python -m chronas` is `chronas`."""

from chronas.cli import main

if __name__ == "__main__":
    main()
