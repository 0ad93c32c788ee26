"""From text files to memory-mapped token ids: corpus, normaliser, tokenizers, shards, and the built-in corpus."""
