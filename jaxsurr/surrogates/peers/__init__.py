"""Earlier surrogate-loss methods, as the same triple."""
