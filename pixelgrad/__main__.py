"""``python -m pixelgrad``, and what the command ``pixelgrad`` runs."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from pixelgrad.cli.main import main as run  # here: it takes most of a second, in which Ctrl-C may come
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
