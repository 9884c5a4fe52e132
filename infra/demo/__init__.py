"""The demo: the whole story on real parts, with every figure checked from two sides."""
