"""The deployment: its configuration, and the templates of every kind of deployment, made offline."""
