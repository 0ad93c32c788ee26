"""The verbs: one file each, the same from Python and from the command line. Each returns its result as data."""
