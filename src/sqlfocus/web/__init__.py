"""The service: a Flask app with the JSON API, the page, and what they need of live databases."""
