"""Database migrations, run by ``hub db upgrade``. Installed as ``hub.migrations``."""
