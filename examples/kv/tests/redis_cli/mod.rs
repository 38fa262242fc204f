//! What redis-cli does, as far as the tutorial needs it.
