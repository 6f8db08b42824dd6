"""Log-probabilities of response tokens under the untrained model, without a prefix, with it, and with a mix."""

VERSION = 1
