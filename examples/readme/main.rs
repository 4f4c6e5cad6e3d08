//! The programs of the README at the top, in their order. A test compares the texts, and runs this. With a folder as argument, it writes
//! `messages.py` there, for the Python program, and leaves it a message.

#[dmxp::message]
struct Tick {
    price: f64,
    volume: u64,
}

#[dmxp::message]
struct Job {
    number: u64,
}

#[dmxp::message]
struct Pose {
    heading: f64,
}

#[rustfmt::skip] // As the README has it.
fn main() -> dmxp::Result<()> {
    let producer = dmxp::Channel::<Tick>::builder().with_name("ticks").build_producer()?;
    producer.send(&Tick { price: 99.5, volume: 10 })?;

    let mut slot = producer.claim()?; // or written in place, inside the slot in shared memory
    slot.price = 99.75;
    slot.publish()?;

    let consumer = dmxp::Channel::<Tick>::builder().with_name("ticks").build_consumer()?;
    let tick = consumer.recv()?; // derefs to &Tick inside the slot; dropping it frees the slot
    println!("{} at {}", tick.volume, tick.price);

    use dmxp::{Channel, Delivery::{Broadcast, Latest}, Subscription::Lossy};

    let jobs = Channel::<Job>::builder().with_name("jobs"); // a queue: each job goes to one worker, a dead worker's to another
    let news = Channel::<Tick>::builder().with_name("news").with_delivery(Broadcast); // every consumer gets every tick
    let screen = news.clone().with_subscription(Lossy); // or is overrun, and knows what it missed
    let pose = Channel::<Pose>::builder().with_name("pose").with_delivery(Latest); // a reader gets the newest, whole

    let workers = [jobs.build_consumer()?, jobs.build_consumer()?];
    let giver = jobs.build_producer()?;
    giver.send_batch(&[Job { number: 1 }, Job { number: 2 }], dmxp::Wait::Forever)?;
    println!("jobs {} and {}", workers[0].recv()?.number, workers[1].recv()?.number);

    let (archive, screen) = (news.build_consumer()?, screen.build_consumer()?);
    news.build_producer()?.send(&Tick { price: 1.5, volume: 2 })?;
    println!("news at {} and {}", archive.recv()?.price, screen.recv()?.price);

    let (sensor, reader) = (pose.build_producer()?, pose.build_consumer()?);
    for heading in [0.25, 0.5] {
        sensor.send(&Pose { heading })?;
    }
    println!("heading {}", reader.recv()?.heading);

    if let Some(folder) = std::env::args_os().nth(1) {
        use dmxp::DmxpMessage;
        let generated = dmxp::schema::generate::write("python", &[Tick::schema()]);
        for file in generated.expect("Python is a language of the library") {
            let path = std::path::Path::new(&folder).join("messages").with_extension(file.extension);
            std::fs::write(path, file.text).expect("a folder to write to");
        }
    }
    Ok(())
}
