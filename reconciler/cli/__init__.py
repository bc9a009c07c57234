"""Command line: options, printing and exit codes."""
