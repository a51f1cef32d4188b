"""Self-tuning: settings of the base model race along the stream."""
