"""What a checkpoint holds: digests and a schema for what is read, and whether it fits the walk that goes on from it."""
