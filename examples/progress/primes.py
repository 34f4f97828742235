"""The long work of this example: it counts prime numbers. Put your import, your report or your video here."""
import os
import time
from math import isqrt

PAUSE = float(os.environ.get("PAUSE", "50")) / 1000  # makes the work long enough to watch


def count(limit, tested=1, found=0, largest=0):
    """Yields its state after each of about 200 parts. With such a state it goes on where it was."""
    while tested < limit:
        first, last = tested + 1, min(tested + max(limit // 200, 1), limit)
        prime = bytearray([1]) * (last - first + 1)
        for n in range(2, isqrt(last) + 1):
            begin = max(n * n, -(-first // n) * n)
            prime[begin - first::n] = bytes(len(range(begin, last + 1, n)))
        found += sum(prime)
        if any(prime):
            largest = first + prime.rindex(1)
        tested = last
        time.sleep(PAUSE)
        yield {"limit": limit, "tested": tested, "found": found, "largest": largest}
