//! The format as text.

use super::*;

/// One line a fact: `structure size align`, then `structure.field offset`. The test of the format
/// document reads it; it is generated from the compiler's own view of the structures.
#[doc(hidden)]
#[must_use]
pub fn describe() -> String {
    use core::fmt::Write;
    let mut out = String::new();
    macro_rules! describe {
        ($($name:ident { $($field:ident),+ $(,)? })+) => {$(
            let _ = writeln!(out, "{} {} {}", stringify!($name), size_of::<$name>(), align_of::<$name>());
            $(let _ = writeln!(
                out, "{}.{} {}", stringify!($name), stringify!($field), core::mem::offset_of!($name, $field)
            );)+
        )+};
    }
    describe! {
        GlobalHeader {
            magic, version, max_channels, channel_count, reserved, init_state, extension_revision, region_size, region_id,
            control_offset, control_size, entries,
        }
        ChannelEntry { channel_id, flags, capacity, band_offset, signal, tail, head, returned_hint }
        Slot { sequence, meta, published_ns, payload }
        MessageMeta {
            message_id, timestamp_ns, channel_id, message_type, sender_pid, sender_runtime, flags, payload_len,
            checksum,
        }
        ControlHeader {
            magic, revision, dirty, process_count, handle_count, process_offset, handle_offset, channel_offset,
            user_lock_offset, lock_holder_pid, next_generation, channels_created, secret, lock_file, line_bell,
            line_armed, line_waiting, line_kept_until_ns, asked_ns, answered_ns,
        }
        ProcessRecord { state, pid, runtime, attached_ns, start_time, waiting_ns }
        HandleRecord {
            state, process, role, process_generation, channel_id, thread, channel_generation, opened_ns, waiting_since_ns, cells,
            messages, bytes, in_vain, highest_fill, last_error_ns, last_error, cursor, subscription,
        }
        ChannelRecord {
            generation, state, mode, flags, payload_capacity, slot_stride, message_size, capacity, ring_offset, ring_len,
            schema_offset, schema_len, schema_checksum, layout_fingerprint, schema_fingerprint, created_ns, creator_pid,
            redelivery_limit, dropped, dead_letters_generation, dead_letters_id, name, aborted, redelivered, dead_lettered,
            recovered, blocked_head, blocked_head_ns, blocked_tail, blocked_tail_ns, data_waiters, expiry_ns, expired,
            partner_generation, partner_id, bereaved, verified, announced, joins, arrivals, stream_start, streams, space_signal, space_waiters, sent, sent_bytes,
             received, received_bytes, refused, empty, last_error_ns, last_error, highest_fill,
        }
    }
    out
}
