"""The service over the farm's database, with a model whose answers are known (see ``farm.py``)."""

from contextlib import contextmanager

from sqlfocus.inference.loading import load_engine
from sqlfocus.web.app import create_app
from sqlfocus.web.config import DatabaseSettings
from sqlfocus.web.live import Catalog, LiveDatabase
from sqlfocus.web.service import Service


def load(farm_folder, **options):
    """The farm's model as an engine, and its prompt template."""
    return load_engine(str(farm_folder / "adapter" / "tiny-llama-lora"), **options)


@contextmanager
def running(engine, template, databases=(), *, review_file, **options):
    """A service and its app; ``databases`` are pairs of a name and a URL."""
    live = [LiveDatabase(DatabaseSettings(name, str(url))) for name, url in databases]
    service = Service(engine, template, Catalog(live), **options)
    service.warm()
    try:
        yield service, create_app(service, review_file=review_file)
    finally:
        service.close()
