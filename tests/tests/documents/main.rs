//! The documents tell the truth: tables against the compiler's view of the structures and against the bytes of real regions,
//! quoted texts against what the library says, links and file names against what is there.
//!
//! The numbers of the documents are the independent side here: they were written by hand.
//!
//! - [`markdown`]: reading them
//! - [`format`](mod@format): the tables of docs/MEMORY_LAYOUT.md, and whether they are the compiler's
//! - [`regions`]: the bytes of regions, where those tables say
//! - [`constants`]: the numbers that the format document names
//! - [`sizing`]: what fits, and what channels take
//! - [`links`]: between the documents, and to files
//! - [`errors`]: the texts of docs/TROUBLESHOOTING.md
//! - [`schemas`]: what docs/SCHEMA.md quotes
//! - [`packages`]: what a package holds when it is published
//! - [`programs`]: those of docs/tutorial and docs/V1_CLIENT.md
//! - [`layers`]: what each part of the source uses, against docs/ARCHITECTURE.md
//! - [`options`]: the table of docs/OPTIONS.md, and what each language has of it

mod constants;
mod errors;
mod format;
mod layers;
mod links;
mod markdown;
mod options;
mod packages;
mod programs;
mod regions;
mod schemas;
mod sizing;

use dmxp::ChannelBuilder;
use dmxp_tests::TestRegion;

fn channel(region: &TestRegion, id: u32, capacity: u64) -> ChannelBuilder {
    let builder = ChannelBuilder::new().with_region(&region.region);
    builder.with_channel_id(id).with_capacity(capacity)
}
