//! Writes the types of the C and the Python consumer into a folder: `observation.h`, `observation.py`, `observation.pyi`.

mod observation;

use dmxp::DmxpMessage;
use dmxp::schema::generate::{c, python};
use dmxp::schema::model::Schema;
use observation::Observation;
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: weather_export <folder>")?);
    let schemas = [Schema::try_from(Observation::SCHEMA)?];
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("observation.h"), c::header(&schemas))?;
    std::fs::write(folder.join("observation.py"), python::module(&schemas))?;
    std::fs::write(folder.join("observation.pyi"), python::stub(&schemas))?;
    Ok(())
}
