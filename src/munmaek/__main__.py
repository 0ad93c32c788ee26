"""`python -m munmaek`, and what torchrun starts: the command line."""

from __future__ import annotations

import sys

from munmaek.cli import main

if __name__ == "__main__":
    sys.exit(main())
