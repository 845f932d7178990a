"""``python -m hub``, the same as ``hub``."""

from hub.cli import main

main()
