"""Pictures of what was trained and judged: losses, forecasts, confusions, alignments."""
