//! Writes the inputs to start from: `seeds DIRECTORY`, a folder for each target.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(std::io::Error::other("usage: seeds DIRECTORY"));
    };
    for (number, (target, input)) in dmxp_fuzz::seeds().into_iter().enumerate() {
        let folder = directory.join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("seed-{number}")), input)?;
    }
    Ok(())
}
