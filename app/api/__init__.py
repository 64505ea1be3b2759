"""What the interface of every slice shares."""
