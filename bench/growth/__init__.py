"""What pages and endpoints cost with a thousand uploads, and with a million."""
