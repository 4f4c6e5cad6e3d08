//! The derive macro of dmxp.
