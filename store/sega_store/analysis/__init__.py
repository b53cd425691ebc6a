"""What vectors show when looked at: activity, similarity, pictures."""
