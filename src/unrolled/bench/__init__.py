"""What is measured against whom, and how: `unrolled bench`. Workloads and peers stand in registry.py."""
