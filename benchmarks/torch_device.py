"""What the device itself can do under PyTorch: products, convolutions, memory."""

import time

import torch

__all__ = ["Convolution", "Device", "Matrix", "device_meter"]


def median_seconds(device, function, count):
    seconds = []
    for _ in range(count + 1):
        begin = time.perf_counter()
        function()
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    return sorted(seconds[1:])[count // 2]


class Matrix:
    """GFLOP/s of a square product."""

    def __init__(self, device, size, count, dtype="float32"):
        kind = getattr(torch, dtype)
        self.pair = [torch.randn(size, size, device=device).to(kind) for _ in range(2)]
        self.out = torch.empty(size, size, device=device, dtype=kind)
        self.device, self.size, self.count = device, size, count

    def __call__(self):
        product = lambda: torch.mm(*self.pair, out=self.out)
        seconds = median_seconds(self.device, product, self.count)
        return {"gflops": 2 * self.size**3 / seconds / 1e9}


class Convolution:
    """GFLOP/s of one convolution's three products, the better of both memory formats."""

    def __init__(self, device, batch, side, channels, count, slow_count):
        self.device, self.count = device, count
        self.flops = 2 * 9 * channels**2 * side**2 * batch
        x = torch.randn(batch, channels, side, side, device=device)
        w = torch.randn(channels, channels, 3, 3, device=device)
        self.data = [
            tuple(a.contiguous(memory_format=layout) for a in (x, w, x.clone()))
            for layout in (torch.contiguous_format, torch.channels_last)
        ]

    def __call__(self):
        return {
            "gflops": {
                "PyTorch, alone": {
                    name: max(self._speed(product, *data) for data in self.data)
                    for name, product in PRODUCTS.items()
                }
            }
        }

    def _speed(self, product, x, w, y):
        return self.flops / median_seconds(self.device, lambda: product(x, w, y), self.count) / 1e9


PRODUCTS = {
    "forward": lambda x, w, _: torch.nn.functional.conv2d(x, w, padding=1),
    "input gradient": lambda x, w, y: torch.nn.grad.conv2d_input(x.shape, w, y, padding=1),
    "weight gradient": lambda x, w, y: torch.nn.grad.conv2d_weight(x, w.shape, y, padding=1),
}


class Device:
    """The name of what PyTorch computes on; None where a card is wanted and there is none."""

    def __init__(self, device):
        card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
        self.name = "cpu" if device == "cpu" else card

    def __call__(self):
        return {"name": self.name}


class DeviceMeter:
    """The peak of the card's memory that PyTorch's tensors take."""

    def __init__(self):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()

    def read(self):
        return {"bytes": torch.cuda.max_memory_allocated(), "since_start": False}


def device_meter():
    """The card's meter; None where there is none, and the host's memory is meant."""
    return DeviceMeter() if torch.cuda.is_available() else None
