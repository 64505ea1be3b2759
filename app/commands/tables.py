"""Every table of a site. Importing this makes them known, which a backup needs: it refuses what it does not know."""

import app.access.audit.tables
import app.access.tables
import app.api.idempotency.tables
import app.backbones.tables
import app.catalogs.tables
import app.inspections.tables
import app.jobs.tables
import app.photos.tables  # noqa: F401 - the last of them, which binds `app`
