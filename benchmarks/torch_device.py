"""What the device itself can do under PyTorch: products, memory."""

import time
from statistics import median

import torch

__all__ = ["Matrix", "device_meter"]


class Matrix:
    """GFLOP/s of a square product."""

    def __init__(self, work, options):
        self.work, self.device = work, options["device"]
        shape = work.size, work.size
        self.pair = [torch.randn(*shape, device=self.device) for _ in range(2)]
        self.out = torch.empty(*shape, device=self.device)

    def __call__(self):
        seconds = []
        for _ in range(self.work.count + 1):
            begin = time.perf_counter()
            torch.mm(*self.pair, out=self.out)
            if self.device != "cpu":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begin)
        return {"gflops": 2 * self.work.size**3 / median(seconds[1:]) / 1e9}


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
