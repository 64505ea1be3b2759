"""Which catalog a job belongs to, and how its absence is said."""

from sqlalchemy import select

from app.access.scopes import Scope
from app.jobs.errors import JobNotFound
from app.jobs.tables import Job

JOB = Scope("job_id", lambda job_id: select(Job.catalog_id).where(Job.id == job_id), lambda _: JobNotFound())
