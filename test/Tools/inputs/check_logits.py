#!/usr/bin/env python3
"""Checks that logits written in one batch equal, bit by bit, those of each sequence alone.

    check_logits.py BATCH.npy ALONE.npy ...
"""

import sys

import numpy as np


def main():
    batch = np.load(sys.argv[1])
    alone = np.concatenate([np.load(path) for path in sys.argv[2:]])
    assert batch.dtype == np.dtype("<f4") and batch.flags.c_contiguous, batch.dtype
    assert batch.shape == alone.shape, (batch.shape, alone.shape)
    assert np.isfinite(batch).all()
    assert (batch.view(np.uint32) == alone.view(np.uint32)).all(), "bits differ"
    print(*batch.shape)


if __name__ == "__main__":
    main()
