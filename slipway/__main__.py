"""`python -m slipway`: the command line, for a process that must run this very installation."""

from slipway.cli import main

main()
