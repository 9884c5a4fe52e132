"""A stand-in for the payment provider: durable book, Stripe-shaped HTTP, faults on demand."""
