"""The recursive strategy: a network that feeds each forecast back for the next."""
