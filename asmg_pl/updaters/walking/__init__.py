"""A walk's phases and steps, for every updater alike."""
