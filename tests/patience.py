"""How long a test waits for another process before it takes it for hung."""

#: Seconds. A machine that is busy with ten times as much work needs minutes; only a process that hangs takes longer.
PATIENCE = 1800.0
