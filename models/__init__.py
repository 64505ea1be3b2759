"""The neural side: backbones, prototypes, learners. Knows no HTTP and no database."""
