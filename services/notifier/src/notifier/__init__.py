"""notifier: everybody told, once, provably."""
