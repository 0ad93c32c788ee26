"""Training: the one loop, its optimiser, its checkpoints and its processes. It knows the contracts, no system."""
