"""The fused kernels, the torch operators over them, the table that chooses. Importing this loads no torch."""
