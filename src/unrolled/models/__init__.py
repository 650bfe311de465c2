"""Trained models without torch: what each task's model carries from step to step, reads and answers."""
