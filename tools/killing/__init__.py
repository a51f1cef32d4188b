"""What ``tools/kill.py`` does: commands to kill, rounds of killing, and pairs of commands at the same instant."""
