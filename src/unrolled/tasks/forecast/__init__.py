"""Forecasting: n steps of a series in, the next steps out."""
