"""Services of the operating system: files, locks, signals, standard streams and the environment."""
