"""What is fitted on the training part: how examples become numbers, and numbers answers. Needs no torch."""
