"""Small files that PyTorch wrote, and the script that made them."""
