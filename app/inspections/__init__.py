"""Query photos, their classifications and the inspector's feedback."""
