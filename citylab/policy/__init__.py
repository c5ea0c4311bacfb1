"""Policy: what people would do, what was done, and who gains; it may ask every domain, and no domain asks it."""
