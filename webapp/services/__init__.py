"""Use cases, a function each: plain values in, plain values out."""
