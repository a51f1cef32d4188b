"""What the operating system gives a walk: files, locks, signals, streams and the environment."""
