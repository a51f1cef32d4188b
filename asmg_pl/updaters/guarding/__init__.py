"""What serves next: candidates beside the base model, the evidence for them, the guard, and the head."""
