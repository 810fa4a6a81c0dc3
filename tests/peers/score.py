"""PESQ-WB of what was heard against what was sent: score.py SENT.wav HEARD.wav prints one number.

SENT is 16 kHz mono; HEARD is mono at any rate and begins some time before the speech does.
"""
import sys
import wave

import numpy
import scipy.signal
from pesq import pesq

RATE = 16000


def read(path):
    with wave.open(path) as file:
        samples = numpy.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        rate = file.getframerate()
    return samples if rate == RATE else scipy.signal.resample_poly(samples, RATE, rate)


def delay(sent, heard):
    """Where the speech begins in what was heard: the best match of the waveforms."""
    return int(numpy.abs(scipy.signal.correlate(heard, sent, "full")).argmax()) - len(sent) + 1


sent, heard = read(sys.argv[1]), read(sys.argv[2])
if not heard.any():
    sys.exit("nothing was heard")
start = max(0, delay(sent, heard))
part = heard[start : start + len(sent)]
if len(part) < 4 * RATE:
    sys.exit(f"only {len(part) / RATE:.1f} s were heard")
print(round(pesq(RATE, sent[: len(part)].astype(numpy.int16), part.astype(numpy.int16), "wb"), 3))
