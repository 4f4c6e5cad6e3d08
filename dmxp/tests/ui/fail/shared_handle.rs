//! A handle belongs to one thread at a time.

#[dmxp::message]
struct Tick {
    price: f64,
}

fn main() -> dmxp::Result<()> {
    let ticks = dmxp::Channel::<Tick>::builder().with_name("ticks");
    let (producer, consumer) = (ticks.build_producer()?, ticks.build_consumer()?);
    std::thread::scope(|scope| {
        scope.spawn(|| producer.send(&Tick { price: 1.0 }));
        scope.spawn(|| consumer.recv_copy(dmxp::Wait::Forever));
    });
    let shared = std::sync::Arc::new(dmxp::ChannelBuilder::new().build_producer()?);
    std::thread::spawn(move || shared.send("hello"));
    Ok(())
}
