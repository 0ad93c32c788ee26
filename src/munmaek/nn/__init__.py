"""Blocks with at least two users: transformer layers, pooling, heads, the softmax over a vocabulary."""
