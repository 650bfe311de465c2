"""The kernels on numpy arrays. Importing this loads no torch."""
