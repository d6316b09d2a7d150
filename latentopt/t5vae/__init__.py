"""The model: a T5 encoder, a latent bottleneck and a T5 decoder, its training and its decoding."""
