//! The most frequent mistake: a message type that is none.

use dmxp::{Channel, Consumer, Producer};

#[derive(Clone, Copy)]
struct Tick {
    price: f64,
}

fn send(producer: &Producer<Tick>) -> dmxp::Result<u64> {
    producer.send(&Tick { price: 1.0 })
}

fn receive(consumer: &Consumer<Tick>) -> dmxp::Result<f64> {
    Ok(consumer.recv()?.price)
}

fn main() -> dmxp::Result<()> {
    let ticks = Channel::<Tick>::builder().with_name("ticks");
    send(&ticks.build_producer()?)?;
    receive(&ticks.build_consumer()?)?;
    Ok(())
}
