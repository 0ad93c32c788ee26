"""What people look at: figures with Hangul in them, and tables."""
