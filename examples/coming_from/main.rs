//! The programs of docs/COMING_FROM.md: published calls, as they are here. A test compares the texts, and runs this.

use dmxp::{ChannelBuilder, RegionOptions};

#[rustfmt::skip] // As the document has it.
fn main() -> std::io::Result<()> {
    let producer = ChannelBuilder::new()
        .with_channel_id(0)
        .with_capacity(1024)
        .build_producer()?;
    producer.send("data")?;

    let consumer = ChannelBuilder::new()
        .with_channel_id(0)
        .build_consumer()?;
    if let Some(data) = consumer.receive()? {
        println!("received {}", String::from_utf8_lossy(&data));
    }

    let name = format!("coming-from-{}", std::process::id());
    let region = RegionOptions::new().name(&name).size(16 << 20).open_or_create()?;
    let orders = ChannelBuilder::new().with_region(&region).with_name("orders");
    orders.build_producer()?.send("of a region of its own")?;

    region.remove_channel_named("orders", false)?;
    drop((orders, region));
    RegionOptions::new().name(&name).remove(true)?;
    Ok(())
}
