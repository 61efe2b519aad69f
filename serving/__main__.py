"""`python -m serving`: the image's entry point."""

import sys

from serving.server import main

if __name__ == "__main__":
    sys.exit(main())
