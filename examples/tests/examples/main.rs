//! The examples do what their READMEs say.

mod counterparts;
mod deliveries;
mod evolve;
mod processes;
mod small;
mod weather;
