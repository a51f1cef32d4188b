"""From a reading of the stream to mini-batches on the device."""
