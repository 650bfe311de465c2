"""Pieces of networks, each written once: what parameters it has, and what it computes in any world."""
