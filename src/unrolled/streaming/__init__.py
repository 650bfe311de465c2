"""Streams of lines through a model: sessions, gaps, snapshots, and the command that serves them."""
