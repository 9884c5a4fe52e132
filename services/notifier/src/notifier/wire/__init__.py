"""The only place that knows both a contract's event and this service's words for it."""
