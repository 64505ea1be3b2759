"""What was answered is kept: processes that die, disks that are full, connections that break, backups."""
