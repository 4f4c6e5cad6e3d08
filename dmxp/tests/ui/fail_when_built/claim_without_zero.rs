use dmxp::{DmxpMessage, Producer};

#[derive(Clone, Copy, Debug, DmxpMessage)]
#[repr(u8)]
enum Side {
    Buy = 1,
    Sell = 2,
}

#[dmxp::message]
struct Order {
    price: u64,
    side: Side,
    _pad: dmxp::message::Reserved<7>,
}

fn send(producer: &Producer<Order>) -> dmxp::Result<u64> {
    let mut order = producer.claim()?;
    order.side = Side::Sell;
    order.publish()
}

fn main() {
    let _ = send as fn(&Producer<Order>) -> dmxp::Result<u64>;
    let _ = Side::Buy;
}
