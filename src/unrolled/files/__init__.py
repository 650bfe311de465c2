"""Readers, one file a format, and safe writing."""
