"""Clients that mean harm, and clients over HTTP/2, case by case."""
