"""Models for elsewhere, and the proof that they are the same there."""
