"""Networks trained on the real images, a snapshot per epoch."""
