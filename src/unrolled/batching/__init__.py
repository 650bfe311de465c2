"""From examples to batches: splits, buckets, windows, and text and sequences in consecutive stretches."""
