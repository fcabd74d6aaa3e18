"""What a citizen sees, one screen a file: opening, person, join, community, lock, talk and what opens above it."""
