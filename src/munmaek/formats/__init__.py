"""Safe readers and writers of file formats with at least two users. NumPy only, no torch, nothing pickled."""
