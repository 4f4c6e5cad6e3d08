//! Waiting (placeholder until the model is in).
