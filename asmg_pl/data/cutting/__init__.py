"""Cutting a stream into periods, by counts or by the clock."""
