"""What ``tools/benchmark.py`` measures, a module per subcommand, and what they share."""
