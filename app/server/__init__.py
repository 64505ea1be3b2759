"""How a request comes in: bounds, overload, middleware, health."""
