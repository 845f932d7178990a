"""What a WSGI server loads: ``gunicorn wsgi:app``."""

from hub.serving import application

app = application()
