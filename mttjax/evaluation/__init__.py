"""How good a set is: fresh networks trained on it, tested on real images."""
