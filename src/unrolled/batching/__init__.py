"""From examples to batches: splits, scalers, calendar features, windows over series."""
