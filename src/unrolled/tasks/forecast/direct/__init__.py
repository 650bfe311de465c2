"""The direct strategy: a network that gives all steps at once, of windows by their own frames."""
