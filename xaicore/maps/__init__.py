"""Maps: from what a network saw to signed heat on the photograph."""
