"""What large files cost in memory."""
