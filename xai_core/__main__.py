"""``python -m xai_core COMMAND``."""

import sys

from xai_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
