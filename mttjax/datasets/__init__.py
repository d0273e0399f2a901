"""Real images in: bundled, from archives, prepared by TFDS, from a folder, from an ``.npz``.

Whatever the source, uint8 images and int32 labels come out, in an order that depends on nothing
but the data. The room knows nothing of networks, settings or methods. Files are a stranger's: they
are read within a stated size, nothing of them is run, and every fault is an ``InputError``.
"""
