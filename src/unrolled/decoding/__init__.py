"""From what a network says to answers: searches, chains, n-grams, distributions."""
