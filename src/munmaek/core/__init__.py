"""What every room stands on: errors, atomic files, counter-based randomness, recipes and contracts. No torch."""
