"""Schemas: from a live database or DDL to M-Schema text."""
