"""The web service: registers defect classes and classifies photos. May import models, never the other way round."""

__version__ = "0.2.0"
