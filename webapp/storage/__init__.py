"""Rows, sealed bytes and the keys between them."""
