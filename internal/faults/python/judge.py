"""Says of each file in a batch whether the reference implementation of safetensors accepts it.

Reads from standard input, again and again, a length (8 bytes, little-endian) and that many bytes; writes one byte for each,
1 or 0. Ends with the input.
"""

import struct
import sys

from safetensors import SafetensorError, deserialize

source, sink = sys.stdin.buffer, sys.stdout.buffer
while prefix := source.read(8):
    (length,) = struct.unpack("<Q", prefix)
    try:
        deserialize(source.read(length))
        sink.write(b"\1")
    except (SafetensorError, ValueError, MemoryError):
        sink.write(b"\0")
sink.flush()
