"""Processes of a cluster beside the page: workers on Celery, its beat, and schedulers of jobs."""
