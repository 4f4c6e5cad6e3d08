/* The C interface of dmxp: typed, zero-copy channels between processes and languages on one machine.
 *
 * Made by cbindgen from bindings/c/src; do not edit. Link with -ldmxp. For C11 and C++17, and newer.
 *
 * Every function answers with a dmxp_status, DMXP_OK being 0; dmxp_last_error() then says in words what went wrong, what was
 * found and what to do about it. What a call fills in is NULL or zeros when it fails.
 *
 * Structs that a later version may extend begin with their size, `struct_size`: begin with DMXP_..._INIT, or set it to sizeof the
 * struct, also for results, and of an array of results in its first element. Options that are zeros otherwise ask for the
 * defaults. A program that was compiled with an older header runs with a newer library: what it does not know has its default, and is
 * not written. Options that the library does not know are refused with DMXP_INVALID_ARGUMENT, unless they are zeros. Times to wait are nanoseconds: DMXP_NO_WAIT (0) does not wait,
 * DMXP_FOREVER (anything negative) waits as long as it takes.
 *
 * Handles may be shared by threads; their calls take turns, and a call that waits lets the others through. For throughput
 * give each thread a handle of its own. After fork() a child must open its own: inherited handles answer DMXP_FORKED.
 */

#ifndef DMXP_H
#define DMXP_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Times to wait. */
#define DMXP_NO_WAIT INT64_C(0)
#define DMXP_FOREVER INT64_C(-1)
#define DMXP_MILLISECONDS(count) (INT64_C(1000000) * (count))

/* What structs that begin with their size begin with: dmxp_channel_options options = DMXP_CHANNEL_OPTIONS_INIT; and of an array the
 * first: dmxp_channel_info channels[256] = {DMXP_CHANNEL_INFO_INIT}; */
#ifdef __cplusplus
template <class T> inline T dmxp_with_size()
{
    T empty = T();
    empty.struct_size = sizeof(T);
    return empty;
}
#define DMXP_WITH_SIZE(type) dmxp_with_size<type>()
#else
#define DMXP_WITH_SIZE(type) {.struct_size = sizeof(type)}
#endif
#define DMXP_REGION_OPTIONS_INIT DMXP_WITH_SIZE(dmxp_region_options)
#define DMXP_REGION_INFO_INIT DMXP_WITH_SIZE(dmxp_region_info)
#define DMXP_CHANNEL_OPTIONS_INIT DMXP_WITH_SIZE(dmxp_channel_options)
#define DMXP_CHANNEL_INFO_INIT DMXP_WITH_SIZE(dmxp_channel_info)
#define DMXP_STREAM_INFO_INIT DMXP_WITH_SIZE(dmxp_stream_info)
#define DMXP_HANDLE_INFO_INIT DMXP_WITH_SIZE(dmxp_handle_info)
#define DMXP_MESSAGE_INIT DMXP_WITH_SIZE(dmxp_message)
#define DMXP_STRETCH_INIT DMXP_WITH_SIZE(dmxp_stretch)
#define DMXP_PEEK_OPTIONS_INIT DMXP_WITH_SIZE(dmxp_peek_options)
#define DMXP_PEEK_INFO_INIT DMXP_WITH_SIZE(dmxp_peek_info)
#define DMXP_PEEKED_INIT DMXP_WITH_SIZE(dmxp_peeked)
#define DMXP_RECOVER_OPTIONS_INIT DMXP_WITH_SIZE(dmxp_recover_options)
#define DMXP_RECOVERY_INFO_INIT DMXP_WITH_SIZE(dmxp_recovery_info)
#define DMXP_CHANNEL_RECOVERY_INIT DMXP_WITH_SIZE(dmxp_channel_recovery)
#define DMXP_BLOCKAGE_INIT DMXP_WITH_SIZE(dmxp_blockage)
#define DMXP_CHANNEL_STATISTICS_INIT DMXP_WITH_SIZE(dmxp_channel_statistics)
#define DMXP_HANDLE_STATISTICS_INIT DMXP_WITH_SIZE(dmxp_handle_statistics)

// A bit of `flags` in dmxp_metadata: the message was returned too often on the channel that `channel_id` names, and moved to
// this one. All else in the metadata is as its sender wrote it.
#define DMXP_FLAG_DEAD_LETTER 4

// A bit of `flags` in dmxp_metadata: the message was sent as urgent, on a channel with priorities. `channel_id` and `message_id` are
// those of the ring for urgent messages.
#define DMXP_FLAG_HIGH 8

// What functions answer. The numbers are fixed; new ones may be added.
enum dmxp_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Done.
    DMXP_OK = 0,
    // No free slot, and the call does not wait.
    DMXP_FULL = 1,
    // No message, and the call does not wait.
    DMXP_EMPTY = 2,
    // The time given has passed.
    DMXP_TIMEOUT = 3,
    // The stream has ended: close was called and everything sent before it was received.
    DMXP_CLOSED = 4,
    // The channel was removed by force while the handle was open.
    DMXP_REMOVED = 5,
    // The handle was inherited by fork(); open one of its own in this process.
    DMXP_FORKED = 6,
    // The process lost its place in the region; open the region again.
    DMXP_EVICTED = 7,
    // The handle itself holds the slot that the call would wait for, and the process has no other thread that could finish the claim;
    // release or publish first.
    DMXP_WOULD_DEADLOCK = 8,
    // The handle holds as many claims as it can. A call that waits answers it only where the process has no other thread that could
    // finish one.
    DMXP_TOO_MANY_CLAIMS = 9,
    // A signal handler has run in the thread while the call slept; call again to go on. See dmxp_restart_waits.
    DMXP_INTERRUPTED = 10,
    // No producer is left, and all that they sent was received: what a consumer is told that was opened with
    // `options->end_without_producers`.
    DMXP_NO_PRODUCERS = 11,
    // An argument is NULL or cannot be; the text says which and what is allowed.
    DMXP_INVALID_ARGUMENT = 20,
    // The claim, message or batch is not one that this handle has handed out and not got back.
    DMXP_STALE = 21,
    // The payload does not fit a slot.
    DMXP_PAYLOAD_TOO_LARGE = 22,
    // More messages in one batch than can ever be claimed at once.
    DMXP_BATCH_TOO_LARGE = 23,
    // The message does not fit the buffer; it is still on the channel, as it was.
    DMXP_BUFFER_TOO_SMALL = 24,
    // A received message is not a valid one of the channel. It has been taken off the channel.
    DMXP_INVALID_MESSAGE = 25,
    // A received message differs from its checksum. It has been taken off the channel.
    DMXP_CHECKSUM_MISMATCH = 26,
    // There is no region file at the path.
    DMXP_REGION_NOT_FOUND = 40,
    // A region of that name exists already.
    DMXP_REGION_EXISTS = 41,
    // The region cannot be removed while processes are attached.
    DMXP_REGION_IN_USE = 42,
    // The file is not a region this version can use.
    DMXP_NOT_A_REGION = 43,
    // The file does not start like a region.
    DMXP_INVALID_MAGIC = 44,
    // Something stored in the region contradicts the format.
    DMXP_CORRUPT = 45,
    // The region has no room for the channel.
    DMXP_REGION_FULL = 46,
    // The file system of the region cannot back more memory.
    DMXP_OUT_OF_MEMORY = 47,
    // The region is attached read-only.
    DMXP_READ_ONLY = 48,
    // Another process holds the management lock and does not give it back.
    DMXP_MANAGEMENT_LOCK_BUSY = 49,
    // The table of attached processes is full.
    DMXP_PROCESS_TABLE_FULL = 50,
    // The table of producers and consumers is full.
    DMXP_HANDLE_TABLE_FULL = 51,
    // The secret given is not the region's.
    DMXP_SECRET_MISMATCH = 52,
    // The policy does not accept the process at the other end of the socket.
    DMXP_PEER_REFUSED = 53,
    // A region was not handed over, or not received: the peer refused, closed, or speaks of something else.
    DMXP_HAND_OVER = 54,
    // The region exists with other properties.
    DMXP_REGION_MISMATCH = 55,
    // The region's file was removed or replaced while the process was attached.
    DMXP_REGION_REMOVED = 56,
    // No such channel.
    DMXP_CHANNEL_NOT_FOUND = 60,
    // The channel has open handles.
    DMXP_CHANNEL_IN_USE = 61,
    // All 256 channels of the region are taken.
    DMXP_CHANNEL_TABLE_FULL = 62,
    // The channel exists with other properties.
    DMXP_CHANNEL_MISMATCH = 63,
    // The channel carries another message type; the text says field by field what differs.
    DMXP_SCHEMA_MISMATCH = 64,
    // A system call failed.
    DMXP_IO = 80,
    // The library failed in a way that it should not; please report the text.
    DMXP_PANIC = 81,
    // An error that this version of the C interface has no code for.
    DMXP_OTHER = 82,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_status dmxp_status;
#else
typedef int32_t dmxp_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Which language's program sends; stands in the metadata of each message.
enum dmxp_runtime
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Rust.
    DMXP_RUNTIME_RUST = 1,
    // Python.
    DMXP_RUNTIME_PYTHON = 2,
    // C.
    DMXP_RUNTIME_C = 3,
    // C++.
    DMXP_RUNTIME_CPP = 4,
    // Go.
    DMXP_RUNTIME_GO = 5,
    // Node.js.
    DMXP_RUNTIME_NODE = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_runtime dmxp_runtime;
#else
typedef uint32_t dmxp_runtime;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What happens to the messages that a consumer held when it died.
enum dmxp_dead_consumers
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // They are delivered again, with `metadata.redelivered` counted up.
    DMXP_DELIVER_AGAIN = 1,
    // They are dropped and counted: each message is delivered at most once.
    DMXP_DROP = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_dead_consumers dmxp_dead_consumers;
#else
typedef uint32_t dmxp_dead_consumers;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Who gets a message of a channel.
enum dmxp_delivery
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // One of the consumers, which compete.
    DMXP_QUEUE = 1,
    // Every consumer, each at its own pace.
    DMXP_BROADCAST = 2,
    // Whoever looks gets the newest message; older ones are overwritten, and nobody holds producers back.
    DMXP_LATEST = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_delivery dmxp_delivery;
#else
typedef uint32_t dmxp_delivery;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What happens when a consumer of a broadcast channel is too slow.
enum dmxp_subscription
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Producers wait for it: it gets every message from its start on.
    DMXP_RELIABLE = 1,
    // It is overrun, and told how many messages it missed.
    DMXP_LOSSY = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_subscription dmxp_subscription;
#else
typedef uint32_t dmxp_subscription;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Where a consumer of a broadcast channel begins.
enum dmxp_start
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // With what is sent from now on.
    DMXP_START_NEWEST = 1,
    // With the oldest message that no producer may overwrite any more: of what was sent, at least the last three quarters of
    // the capacity.
    DMXP_START_OLDEST = 2,
    // At `start_position`, the id less one of its message: waits for it if it was not sent yet. Messages that are gone already
    // count as missed.
    DMXP_START_POSITION = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_start dmxp_start;
#else
typedef uint32_t dmxp_start;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What calls of a handle do while they wait. Whatever it is, somebody who died is noticed, and time limits are kept.
enum dmxp_wait_strategy
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // They look again and again, and never sleep: the fastest, for a thread that has a core of its own.
    DMXP_SPIN = 1,
    // They look again for some tens of microseconds, then sleep; where the machine or the container has a single core, they
    // sleep at once.
    DMXP_SPIN_THEN_SLEEP = 2,
    // They sleep at once: for cores that others need, and for messages that come seldom.
    DMXP_SLEEP = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_wait_strategy dmxp_wait_strategy;
#else
typedef uint32_t dmxp_wait_strategy;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Which end of a channel cannot go on.
enum dmxp_blocked
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Consumers: the message that comes next was claimed and is not published.
    DMXP_BLOCKED_CONSUMERS = 1,
    // Producers: the slot that comes next is occupied.
    DMXP_BLOCKED_PRODUCERS = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_blocked dmxp_blocked;
#else
typedef uint32_t dmxp_blocked;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why a position cannot be passed.
enum dmxp_obstacle
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // For another reason, which dmxp_region_describe_blockages says.
    DMXP_OBSTACLE_OTHER = 0,
    // A producer has claimed it and writes.
    DMXP_OBSTACLE_WRITING = 1,
    // A consumer has claimed it and reads.
    DMXP_OBSTACLE_READING = 2,
    // A message is there that no consumer has claimed: the channel is full.
    DMXP_OBSTACLE_UNREAD = 3,
    // A message was returned and waits to be taken again.
    DMXP_OBSTACLE_RETURNED = 4,
    // It was claimed, and no handle says that it did: a program that knows only v1, alive or not.
    DMXP_OBSTACLE_UNEXPLAINED = 5,
    // A reliable subscriber of a broadcast channel has not come to it yet, or holds it. It is the slowest, and `holder_state` says
    // whether it is stopped.
    DMXP_OBSTACLE_SUBSCRIBER = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_obstacle dmxp_obstacle;
#else
typedef uint32_t dmxp_obstacle;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Whether a process that holds something runs, as far as this one can see.
enum dmxp_holder_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Nobody holds it.
    DMXP_HOLDER_NONE = 0,
    // It is there.
    DMXP_HOLDER_RUNNING = 1,
    // It is stopped (SIGSTOP, a debugger): alive, and waited for.
    DMXP_HOLDER_STOPPED = 2,
    // It is dead, and what it left is not yet repaired.
    DMXP_HOLDER_DEAD = 3,
    // Its pid does not say: another PID namespace, or no /proc.
    DMXP_HOLDER_UNKNOWN = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_holder_state dmxp_holder_state;
#else
typedef uint32_t dmxp_holder_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Which end of a channel a handle is.
enum dmxp_role
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It sends.
    DMXP_ROLE_PRODUCER = 1,
    // It receives.
    DMXP_ROLE_CONSUMER = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_role dmxp_role;
#else
typedef uint32_t dmxp_role;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Where dmxp_region_peek begins.
enum dmxp_peek_from
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // With the oldest message that is there. On a queue of more than 65,536 slots, no further before the ones that no consumer has
    // claimed than that.
    DMXP_PEEK_OLDEST = 1,
    // With the newest, going back: the last messages, as many as the limit says.
    DMXP_PEEK_NEWEST = 2,
    // At `position`: the `next` of an earlier call, or the id of a message less one. What lies before it is left out, and so are urgent
    // messages, whose ring has positions of its own: look at that by its id, the `high_id` of the channel.
    DMXP_PEEK_POSITION = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_peek_from dmxp_peek_from;
#else
typedef uint32_t dmxp_peek_from;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What becomes of a message that was looked at.
enum dmxp_message_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It is there: on a queue, no consumer has claimed it; on a broadcast or latest channel, it was not overwritten, whoever has read
    // it.
    DMXP_MESSAGE_WAITING = 1,
    // A consumer that died or gave it back had it; it is delivered again to whoever comes first.
    DMXP_MESSAGE_RETURNED = 2,
    // A consumer of the queue has claimed it and not released it; or died with it, which the next waiter will notice.
    DMXP_MESSAGE_CLAIMED = 3,
    // It is older than the channel allows: the next consumer skips it.
    DMXP_MESSAGE_EXPIRED = 4,
    // What a later version may add.
    DMXP_MESSAGE_OTHER = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum dmxp_message_state dmxp_message_state;
#else
typedef uint32_t dmxp_message_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A consumer.
typedef struct dmxp_consumer dmxp_consumer;

// What was found on a channel, as dmxp_region_peek makes it. Whatever threads do with it, it does not change.
typedef struct dmxp_peek dmxp_peek;

// A producer.
typedef struct dmxp_producer dmxp_producer;

// What a recovery found and did, or would do.
typedef struct dmxp_recovery dmxp_recovery;

// A region this process is attached to.
typedef struct dmxp_region dmxp_region;

// Waits for many consumers, producers and file descriptors at once, of any number of regions. One thread at a time may use it; others
// may interrupt it.
typedef struct dmxp_wait_set dmxp_wait_set;

// How to create or open a region. Begin with DMXP_REGION_OPTIONS_INIT, or with `struct_size` alone. All else zeros is the default
// region: 128 MiB in /dev/shm/dmxp_alloc, or where the environment variables DMXP_DIR and DMXP_REGION say.
typedef struct {
    // sizeof(dmxp_region_options).
    size_t struct_size;
    // Its file name, 1 to 200 bytes; NULL for the default.
    const char *name;
    // Its directory, which should be on a tmpfs; NULL for the default.
    const char *dir;
    // Bytes, rounded up to whole pages. A region that exists with another size answers DMXP_REGION_MISMATCH. 0 for what it has, or the
    // default.
    uint64_t size;
    // Processes that can be attached at once, 1 to 4,096; compared as `size`. 0 for what the region has, or 256.
    uint32_t max_processes;
    // Producers and consumers that can be open at once, 1 to 16,384; compared as `size`. 0 for what the region has, or 1,024.
    uint32_t max_handles;
    // A dmxp_runtime that the messages of this process name as their sender's; 0 for DMXP_RUNTIME_C. The first attachment of
    // a process to a region decides.
    uint32_t runtime;
    // With `accept_owner`: the user whose region may be opened.
    uint32_t owner;
    // Not 0: opens the region also when its file belongs to the user `owner`; otherwise it must be this process's own user's, or
    // root's. A region without a name is then received from that user as well.
    uint8_t accept_owner;
    // Not 0: the region is shared with a group. One that is created can be read and written by the group of its file; one that is
    // opened may belong to another user, if its file is open to a group that this process is in.
    uint8_t group_access;
    // Not 0: dmxp_region_open_or_create makes a region anew, without what is in it, that exists with another size, other tables or no group
    // access, if no process is attached; DMXP_REGION_IN_USE if one is.
    uint8_t replace_if_unused;
    // Zeros.
    uint8_t reserved[5];
    // The region's secret: given to it when it is created, compared whenever it is attached to, for looking too, and when it is
    // removed without force. Zeros for none. It guards against mistakes and is no access control: whoever may open the file can
    // read it there.
    uint8_t secret[16];
} dmxp_region_options;

// A channel at one moment.
typedef struct {
    // sizeof(dmxp_channel_info), set by the program.
    size_t struct_size;
    // Slots.
    uint64_t capacity;
    // Bytes of the region it takes.
    uint64_t bytes;
    // Messages sent or being sent since it was made.
    uint64_t tail;
    // Messages received or being received since it was made; on a broadcast channel, the lowest position that a reliable
    // subscriber needs, or `tail` if there is none, as on a latest one. `tail - head` messages wait.
    uint64_t head;
    // When it was made, nanoseconds since the Unix epoch.
    uint64_t created_ns;
    // Messages that no consumer had to the end: returned more often than the limit and not moved to the dead letters, or held
    // by a consumer that died where the policy is to drop them.
    uint64_t dropped;
    // Its number, 0 to 255.
    uint32_t id;
    // Bytes of payload that a slot holds.
    uint32_t payload_capacity;
    // Bytes of each message; 0 on untyped channels.
    uint32_t message_size;
    // Who made it.
    uint32_t creator_pid;
    // Producers open.
    uint32_t producers;
    // Consumers open.
    uint32_t consumers;
    // 1: made to be shared with programs that know only v1.
    uint8_t v1_peers;
    // 1: each message carries a CRC-32.
    uint8_t checksums;
    // 1: the stream has ended.
    uint8_t closed;
    // 1: removed by force while handles were open.
    uint8_t removed;
    // A dmxp_dead_consumers.
    uint8_t dead_consumers;
    // How often a message is delivered again at most.
    uint8_t redelivery_limit;
    // A dmxp_delivery.
    uint8_t delivery;
    // 1: a broadcast or latest channel has one producer at a time.
    uint8_t single_producer;
    // Its name, NUL-terminated; empty if it has none.
    char name[72];
    // Positions claimed by producers that gave up or died, stepped over by consumers.
    uint64_t aborted;
    // Deliveries of messages that had been delivered before.
    uint64_t redelivered;
    // Messages moved to the channel for dead letters.
    uint64_t dead_lettered;
    // Handles that died and were swept.
    uint64_t recovered;
    // Name of the channel for dead letters, NUL-terminated; empty if there is none.
    char dead_letters[72];
    // Bytes from one slot to the next: 1,088, or fewer where slots are compact.
    uint32_t slot_size;
    // Where the channel has priorities, the number of the ring for urgent messages, of which dmxp_region_get_channel tells; -1 where
    // it has none. All else here is of the ring for the others.
    int32_t high_id;
    // Age in nanoseconds beyond which a message is not delivered; 0 if messages do not expire.
    uint64_t expiry_ns;
    // Messages that expired before a consumer had them.
    uint64_t expired;
    // 1: it admits subscribers that may be overrun.
    uint8_t lossy_subscribers;
    // 1: messages bear the time of their publication.
    uint8_t timestamps;
    // Zeros.
    uint8_t reserved[6];
} dmxp_channel_info;

// Numbers of a region at one moment.
typedef struct {
    // sizeof(dmxp_region_info), set by the program.
    size_t struct_size;
    // Bytes in all.
    uint64_t size;
    // Bytes of the control area, part of `size`.
    uint64_t control_size;
    // Bytes free for channels.
    uint64_t free;
    // The longest free run: the largest channel that fits.
    uint64_t largest_free;
    // Whether it was opened for looking only: 0 or 1.
    uint64_t read_only;
    // Channels.
    uint32_t channels;
    // Processes attached.
    uint32_t processes;
    // Places for attached processes.
    uint32_t max_processes;
    // Producers and consumers open.
    uint32_t handles;
    // Places for producers and consumers.
    uint32_t max_handles;
    // Zero.
    uint32_t reserved;
} dmxp_region_info;

// The process at the other end of a Unix socket, as the kernel noted it when the two were connected: the one that connected or
// listened, or that made the pair of sockets, even if another process has the socket now.
typedef struct {
    // Its process id; 0 if it lies in a PID namespace that this process cannot see.
    uint32_t pid;
    // Its effective user id.
    uint32_t uid;
    // Its effective group id.
    uint32_t gid;
} dmxp_peer_credentials;

// Whether a peer may have, or give, a region: not 0 accepts it. `context` is what was given with the function. It must not jump
// or throw out of the call.
typedef int32_t (*dmxp_peer_policy)(const dmxp_peer_credentials *peer, void *context);

// Which channel to open, and how to make it if it does not exist. Begin with DMXP_CHANNEL_OPTIONS_INIT, or with `struct_size` alone.
// What is left zero is taken as the channel has it.
typedef struct {
    // sizeof(dmxp_channel_options).
    size_t struct_size;
    // Its name, 1 to 64 bytes; NULL to go by `channel_id`.
    const char *name;
    // The schema of its messages as one line of text, such as the <NAME>_SCHEMA of a generated header; NULL for an untyped
    // channel, whose messages are bytes. A channel with other messages is refused with DMXP_SCHEMA_MISMATCH. A consumer that gives NULL
    // receives from any channel there is: dmxp_region_get_schema tells what its messages are.
    const char *schema;
    // Name of the channel that gets the messages which were returned more often than the limit; NULL for what the channel
    // has, or none for a new one. It is created with this one if it does not exist. What arrives there has
    // DMXP_FLAG_DEAD_LETTER in `metadata.flags`, and is otherwise as its sender made it.
    const char *dead_letters;
    // Slots: a power of two from 2 to 2^20, or 2^32 on broadcast and latest channels; 1,088 bytes each if they are not compact. 0 for what the channel has, or 1,024 for
    // a new one, 16 for a new one of delivery DMXP_LATEST.
    uint64_t capacity;
    // Age in nanoseconds beyond which a message is not delivered: consumers skip it and count it. 0 for what the channel has, or
    // none for a new one. The age counts from the publication, on a clock that nobody sets (CLOCK_BOOTTIME).
    uint64_t expiry_ns;
    // Where a consumer begins if `start` is DMXP_START_POSITION, and 0 otherwise: the id less one of the message.
    uint64_t start_position;
    // Its number, 0 to 255; counts if `name` is NULL or `id_and_name` is not 0.
    uint32_t channel_id;
    // For producers of untyped channels: the application's number in the metadata of the messages.
    uint32_t message_type;
    // For untyped channels: makes slots compact, for messages of at most that many bytes, 1 to 960; or, with `packed_slots`, for
    // messages of exactly that many. 0 if that does not matter.
    uint32_t payload_capacity;
    // How often a message is delivered again at most, 1 to 12, or -1 for never; 0 for what the channel has, or 10 for a new
    // one. One that was returned more often, by consumers that died or gave it back, goes to the dead letters or is dropped.
    int16_t redelivery_limit;
    // Not 0: both `channel_id` and `name` count. 0: a name alone takes any free id.
    uint8_t id_and_name;
    // Not 0: neither the region nor the channel is created.
    uint8_t open_only;
    // 1 if slots are sized to the messages, 48 bytes and the size of the type, rounded up to 64; -1 if they have 1,088 bytes;
    // 0 for what the channel has, or 1,088 for a new one. Programs that know only the v1 format cannot use compact slots.
    int8_t compact_slots;
    // 1 if slots hold the messages and nothing else, for streams of small records of one producer, which consumers read as
    // stretches (dmxp_consumer_recv_stretch); -1 if not; 0 for what the channel has, or not for a new one. Such a channel is a
    // broadcast channel with a single producer. On untyped ones each message has exactly `payload_capacity` bytes.
    int8_t packed_slots;
    // 1 if programs that know only the v1 format take part, -1 if not, 0 for what the channel has, or not for a new one.
    int8_t v1_peers;
    // 1 if each message carries a CRC-32 that is checked when it is received, -1 if not, 0 for what the channel has, or not
    // for a new one.
    int8_t checksums;
    // 1 for two rings under one name, of which dmxp_producer_high sends to the one that is read first; -1 for one; 0 for what
    // the channel has, or one for a new one. Programs that know only the v1 format cannot use such a channel.
    int8_t priorities;
    // For broadcast and latest channels: 1 if there is one producer at a time, which makes sending faster, -1 if there are
    // several, 0 for what the channel has, or several for a new one. A second one is refused with DMXP_CHANNEL_IN_USE. Such a
    // producer holds one claim at a time.
    int8_t single_producer;
    // For broadcast channels: 1 if they admit lossy subscribers, -1 if not, which makes claims that are written in place faster; 0 for
    // what the channel has. A new one of a single producer admits none then, unless a lossy subscriber makes it, and others do.
    int8_t lossy_subscribers;
    // 1 if messages bear the time of their publication, -1 if not, which makes sending faster, 0 for what the channel has; they do on
    // a new one.
    int8_t timestamps;
    // A dmxp_dead_consumers; 0 for what the channel has, or DMXP_DELIVER_AGAIN for a new one.
    uint8_t dead_consumers;
    // A dmxp_delivery; 0 for what the channel has, or DMXP_QUEUE for a new one.
    uint8_t delivery;
    // For consumers of broadcast channels: a dmxp_subscription; 0 is DMXP_RELIABLE.
    uint8_t subscription;
    // For consumers of broadcast channels: a dmxp_start; 0 is DMXP_START_NEWEST.
    uint8_t start;
    // A dmxp_wait_strategy, of this handle alone; 0 is DMXP_SPIN_THEN_SLEEP.
    uint8_t wait_strategy;
    // For consumers, not 0: the stream ends with DMXP_NO_PRODUCERS when the last producer has gone, its handle destroyed or its process
    // proven dead, and all was received. Before the first producer has come there is no end. Not on channels with v1 peers.
    uint8_t end_without_producers;
    // Not 0: a channel that exists with other properties, or other messages, is made anew, without what is in it, if nobody has it open.
    uint8_t replace_if_unused;
    // Not 0: this handle goes on when the region's file is removed or replaced. 0: it answers DMXP_REGION_REMOVED then, when it is
    // opened and within 40 ms of waiting.
    uint8_t keep_removed_region;
    // Zeros.
    uint8_t reserved[8];
} dmxp_channel_options;

// Some bytes, wherever they lie.
typedef struct {
    // The first; may be NULL if there are none.
    const void *data;
    // How many.
    size_t len;
} dmxp_slice;

// What says which claim a struct stands for. Leave it alone; copies of it are good as long as the claim is.
typedef struct {
    uint64_t handle;
    uint64_t claim;
} dmxp_token;

// A claimed slot, written in place and published or aborted then.
typedef struct {
    // Where the payload goes, aligned as the message type and at least to 16 bytes, in slots that are not compact to 64. Writable until the claim is published or aborted.
    void *data;
    // The bytes claimed. May be lowered before publishing, on untyped channels.
    size_t len;
    // The id that the message will have.
    uint64_t message_id;
    // Which claim this is.
    dmxp_token token;
} dmxp_claim;

// Slots that were claimed together, to send or to receive, and that are finished together.
typedef struct {
    // How many.
    size_t count;
    // Which claim this is.
    dmxp_token token;
} dmxp_batch;

// The channel of a producer or consumer.
typedef struct {
    // sizeof(dmxp_handle_info), set by the program.
    size_t struct_size;
    // Slots.
    uint64_t capacity;
    // Messages waiting, among them those claimed and not yet published: on a broadcast channel for this consumer, or, asked of
    // a producer, for the slowest reliable one; on a latest channel 1 when there is a message that this consumer has not seen.
    uint64_t len;
    // The channel's number, 0 to 255.
    uint32_t channel_id;
    // Bytes of payload that a slot holds.
    uint32_t payload_capacity;
    // Bytes of each message; 0 on untyped channels.
    uint32_t message_size;
    // A dmxp_delivery.
    uint32_t delivery;
    // Messages that this consumer missed in all: on a broadcast channel those overwritten before a lossy one came to them, and
    // those before its start that were gone; on a latest channel those that were replaced before it looked. 0 on queues, and of
    // producers. What one of several producers gave up counts as missed if it lies among missed messages.
    uint64_t missed;
} dmxp_handle_info;

// What came with a message. A later version may have more of it, at its end: dmxp_message says how much there is.
typedef struct {
    // Unique in the channel: its position there, counted from 1.
    uint64_t message_id;
    // When it was sent, nanoseconds since the Unix epoch by its sender's clock.
    uint64_t timestamp_ns;
    // The channel.
    uint32_t channel_id;
    // Low half of the sender's schema fingerprint on typed channels, the application's number on others.
    uint32_t message_type;
    // Its sender's process id, in the sender's PID namespace.
    uint32_t sender_pid;
    // Its sender's language, a dmxp_runtime.
    uint16_t sender_runtime;
    // Flag bits of the format: 0 for ordinary messages, DMXP_FLAG_DEAD_LETTER for dead letters, DMXP_FLAG_HIGH for
    // urgent messages.
    uint16_t flags;
    // Bytes of payload.
    uint32_t payload_len;
    // How often it was delivered before, to consumers that did not release it; no more often than the channel's redelivery
    // limit.
    uint8_t redelivered;
    // Zeros.
    uint8_t reserved[3];
    // How many messages this consumer missed just before it, because it was overrun; on a latest channel, how many were replaced
    // before it looked. 0 on queues.
    uint64_t missed;
} dmxp_metadata;

// A message, borrowed until it is released or given back: in its slot, or, for a lossy subscriber and on a latest channel, as a
// copy that the consumer keeps. Begin with DMXP_MESSAGE_INIT, or with `struct_size` alone.
typedef struct {
    // sizeof(dmxp_message), set by the program; it stays as it is.
    size_t struct_size;
    // The payload, aligned as the message type and at least to 16 bytes, in slots that are not compact to 64. Readable until the message is released or given back.
    const void *data;
    // Bytes of payload; on typed channels always the size of the type.
    size_t len;
    // Which claim this is.
    dmxp_token token;
    // What came with it.
    dmxp_metadata metadata;
} dmxp_message;

// Messages side by side, borrowed until they are released or given back: where they lie, or, for a lossy subscriber, as a copy that the
// consumer keeps. Begin with DMXP_STRETCH_INIT, or with `struct_size` alone.
typedef struct {
    // sizeof(dmxp_stretch), set by the program; it stays as it is.
    size_t struct_size;
    // The first message: `count` of them, aligned as an array of the message type. Readable until they are released or given back.
    const void *data;
    // How many.
    size_t count;
    // Bytes of each.
    size_t size;
    // Which claim this is.
    dmxp_token token;
    // The first one's id; the others follow without a gap.
    uint64_t message_id;
    // How many messages this consumer missed just before, because it was overrun.
    uint64_t missed;
} dmxp_stretch;

// How to recover. Begin with DMXP_RECOVER_OPTIONS_INIT, or with `struct_size` alone: that repairs what dead processes left, and
// nothing else.
typedef struct {
    // sizeof(dmxp_recover_options).
    size_t struct_size;
    // Not 0: only look, and report what would be done.
    uint8_t dry_run;
    // Not 0: also repair positions that are claimed and that no handle explains, which programs left that know only the v1
    // format. Nobody can tell whether such a program is dead: whoever forces says that none of them is running.
    uint8_t force;
    // Zeros.
    uint8_t reserved[6];
} dmxp_recover_options;

// A recovery in numbers; those of messages and handles are sums over all channels.
typedef struct {
    // sizeof(dmxp_recovery_info), set by the program.
    size_t struct_size;
    // Claimed and never published positions; consumers step over them.
    uint64_t aborted;
    // Messages that will be delivered again, flagged.
    uint64_t returned;
    // Messages dropped: returned too often, or because that is the channel's policy.
    uint64_t dropped;
    // Processes that died attached.
    uint32_t dead_processes;
    // Producers that died.
    uint32_t dead_producers;
    // Consumers that died.
    uint32_t dead_consumers;
    // Dead handles that cannot be dealt with yet, since a living process is in the middle of a claim on the same position. Try
    // again; dmxp_region_list_blockages names it if it is stopped.
    uint32_t deferred;
    // Channels on which something was found.
    uint32_t channels;
    // Channels removed by force whose last handle was a dead one's: gone now.
    uint32_t removed_channels;
    // Channels that could not be looked at; the text says why.
    uint32_t damaged_channels;
    // 1: nothing was found.
    uint8_t clean;
    // 1: nothing was done.
    uint8_t dry_run;
    // 1: somebody had died while changing the tables; they were repaired.
    uint8_t tables_repaired;
    // Zeros.
    uint8_t reserved[9];
} dmxp_recovery_info;

// What a recovery found on one channel.
typedef struct {
    // sizeof(dmxp_channel_recovery), set by the program.
    size_t struct_size;
    // Claimed and never published positions; consumers step over them.
    uint64_t aborted;
    // Messages that will be delivered again, flagged.
    uint64_t returned;
    // Messages dropped: returned too often, or because that is the channel's policy.
    uint64_t dropped;
    // The channel's number.
    uint32_t id;
    // Producers that died.
    uint32_t dead_producers;
    // Consumers that died.
    uint32_t dead_consumers;
    // Dead handles that cannot be dealt with yet.
    uint32_t deferred;
    // The channel's name, NUL-terminated; empty if it has none.
    char name[72];
} dmxp_channel_recovery;

// A position that others cannot get past, and who could change that.
typedef struct {
    // sizeof(dmxp_blockage), set by the program.
    size_t struct_size;
    // The position: the id of the message there, or to be there, less one.
    uint64_t position;
    // Nanoseconds that it has been in the way, as far as those who wait have noticed, who look every 40 ms. 0 while nobody has
    // waited for as long as that.
    uint64_t age_ns;
    // The channel.
    uint32_t channel_id;
    // Who is kept from going on, a dmxp_blocked.
    uint32_t blocked;
    // What is the matter with the position, a dmxp_obstacle.
    uint32_t obstacle;
    // Process that holds the position, 0 if none is known.
    uint32_t holder_pid;
    // The thread that opened the handle which holds it, 0 if none is known.
    uint32_t holder_thread;
    // Whether the holder runs, a dmxp_holder_state.
    uint32_t holder_state;
    // How many handles wait, and have slept for 40 ms at least.
    uint32_t waiters;
    // The processes of the first of them; zeros after the last.
    uint32_t waiter_pids[7];
    // The channel's name, NUL-terminated; empty if it has none.
    char name[72];
} dmxp_blockage;

// What happened on a channel since it was made, by all handles it ever had.
//
// Numbers are read one by one while others count: each is right by itself, and when nobody sends or receives they are exact,
// but that a process which is killed in the middle of a call may have published or released messages and not counted them.
typedef struct {
    // sizeof(dmxp_channel_statistics), set by the program.
    size_t struct_size;
    // Slots.
    uint64_t capacity;
    // Messages waiting now, among them those claimed and not yet published.
    uint64_t fill;
    // The most slots that were seen occupied. A producer of a queue looks with every 64th message it sends and each time it
    // finds no room; what is there now counts too. A peak between two looks may have been higher, by up to 64 messages (or one
    // batch) of each producer.
    uint64_t highest_fill;
    // Messages published.
    uint64_t sent;
    // Bytes of payload in them.
    uint64_t sent_bytes;
    // Messages that a consumer took off the channel, or let go of on a broadcast or latest channel: counted when the message is
    // released, once for each subscriber that had it.
    uint64_t received;
    // Bytes of payload in them.
    uint64_t received_bytes;
    // Calls that found no room, or timed out waiting for it. Calls from Python that wait count if their first attempt found none,
    // also when they got it in the end.
    uint64_t refused;
    // Calls that found no message, counted as `refused`.
    uint64_t empty;
    // Positions that producers gave up or died with.
    uint64_t aborted;
    // Deliveries of messages that had been delivered before.
    uint64_t redelivered;
    // Messages that no consumer had to the end; see dmxp_channel_info.
    uint64_t dropped;
    // Messages moved to the channel for dead letters.
    uint64_t dead_lettered;
    // Messages that expired before a consumer had them.
    uint64_t expired;
    // Handles that died and were swept.
    uint64_t recovered;
    // When the last error was, nanoseconds since the Unix epoch; 0 if there was none.
    uint64_t last_error_ns;
    // The last error that a call of any handle gave, in any language, other than full, empty and timed out: a dmxp_status,
    // DMXP_OK if there was none, DMXP_OTHER for those that are not told apart.
    int32_t last_error;
    // The channel's number, 0 to 255.
    uint32_t id;
    // Handles that are open now, and dead ones not yet swept.
    uint32_t handles;
    // Zeros.
    uint8_t reserved[44];
    // The channel's name, NUL-terminated; empty if it has none.
    char name[72];
} dmxp_channel_statistics;

// What one open handle did.
typedef struct {
    // sizeof(dmxp_handle_statistics), set by the program.
    size_t struct_size;
    // Messages sent, or received.
    uint64_t messages;
    // Bytes of payload in them.
    uint64_t bytes;
    // Calls that found no room, or no message.
    uint64_t in_vain;
    // The most slots that this producer saw occupied; 0 of consumers.
    uint64_t highest_fill;
    // When the last error of its calls was, nanoseconds since the Unix epoch; 0 if there was none.
    uint64_t last_error_ns;
    // When the handle was opened, nanoseconds since the Unix epoch.
    uint64_t opened_ns;
    // The position from which on a reliable subscriber needs messages; 0 of others.
    uint64_t position;
    // The last error of its calls, other than full, empty and timed out: a dmxp_status, DMXP_OK if there was none.
    int32_t last_error;
    // Which end it is, a dmxp_role; 0 for what a later version may add.
    uint32_t role;
    // Its process.
    uint32_t pid;
    // The thread that opened it.
    uint32_t thread;
    // Whether the process runs, a dmxp_holder_state.
    uint32_t state;
    // How a consumer of a broadcast channel subscribes, a dmxp_subscription; 0 of others.
    uint32_t subscription;
    // Zeros.
    uint8_t reserved[16];
} dmxp_handle_statistics;

// Which messages to look at. Begin with DMXP_PEEK_OPTIONS_INIT, which asks for up to 100 messages from the oldest on.
typedef struct {
    // sizeof(dmxp_peek_options).
    size_t struct_size;
    // Where to begin if `from` is DMXP_PEEK_POSITION, and 0 otherwise.
    uint64_t position;
    // A dmxp_peek_from; 0 is DMXP_PEEK_OLDEST.
    uint32_t from;
    // Most messages to copy; 0 is 100.
    uint32_t limit;
} dmxp_peek_options;

// What was found on a channel, in numbers.
typedef struct {
    // sizeof(dmxp_peek_info), set by the program.
    size_t struct_size;
    // Where to go on, as `position` of DMXP_PEEK_POSITION, to see what is after these messages, also what is sent later: the position
    // after the last that was looked at, or, before it, the first that was claimed and not yet published. Of the ring for messages
    // that are not urgent.
    uint64_t next;
    // Messages that are left out because a consumer released them, or a producer overwrote them, while they were copied.
    uint64_t overwritten;
    // Messages found.
    size_t messages;
    // The channel's number, 0 to 255.
    uint32_t channel_id;
    // A dmxp_delivery.
    uint32_t delivery;
    // The channel's name, NUL-terminated; empty if it has none.
    char name[72];
} dmxp_peek_info;

// A message that was looked at, and is still there.
typedef struct {
    // sizeof(dmxp_peeked), set by the program in the first of the places.
    size_t struct_size;
    // A copy of the payload, valid until what dmxp_region_peek found is given back; of any alignment. All that the slot holds where the
    // sender says a length that no slot has.
    const void *data;
    // Bytes of it.
    size_t len;
    // Its position in its ring.
    uint64_t position;
    // A dmxp_message_state.
    uint32_t state;
    // 1: it lies in the ring for urgent messages.
    uint8_t urgent;
    // 1: a consumer would accept these bytes. Their length is possible, and that of the channel's type, and on a channel with checksums
    // theirs is right.
    uint8_t intact;
    // Zeros.
    uint8_t reserved[2];
    // What comes with it. `redelivered` says how often it was delivered, and returned, before the delivery that is to come or goes on.
    dmxp_metadata metadata;
} dmxp_peeked;

// What was sent by producers that came one after the other without a moment between them in which there was none.
typedef struct {
    // sizeof(dmxp_stream_info), set by the program.
    size_t struct_size;
    // The id that this stream's first message has, or will have; 1 in the first stream, 0 before it.
    uint64_t first_message;
    // How many streams the channel has had, this one included: 0 before the first producer. It grows by one when a producer comes to a
    // channel that has none, or that was closed.
    uint32_t number;
    // Zero.
    uint32_t reserved;
} dmxp_stream_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What went wrong in the last call of this thread that failed, what was found, and what to do about it; an empty text if none
// has failed. Successful calls leave it as it is. It is never NULL, and valid until the next call of this thread that fails.
const char *dmxp_last_error(void);

// The name of a status, such as "DMXP_TIMEOUT"; "unknown status" for a number that is none. It is never NULL, and valid for
// ever.
const char *dmxp_status_name(int32_t status);

// The version of the library, such as "0.1.0". It is never NULL, and valid for ever.
const char *dmxp_version(void);

// Creates a region and attaches to it. `options` may be NULL for the default region. The result in `out` is given back with
// dmxp_region_close.
//
// Answers, among others, DMXP_REGION_EXISTS, DMXP_OUT_OF_MEMORY, DMXP_INVALID_ARGUMENT.
//
// # Safety
// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
int32_t dmxp_region_create(const dmxp_region_options *options,
                           dmxp_region **out);

// Attaches to an existing region. `options` may be NULL for the default region. The result in `out` is given back with
// dmxp_region_close.
//
// Answers, among others, DMXP_REGION_NOT_FOUND, DMXP_INVALID_MAGIC, DMXP_NOT_A_REGION, DMXP_CORRUPT,
// DMXP_SECRET_MISMATCH, DMXP_PROCESS_TABLE_FULL.
//
// # Safety
// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
int32_t dmxp_region_open(const dmxp_region_options *options,
                         dmxp_region **out);

// Attaches to a region, and creates it if there is none. `options` may be NULL for the default region. The result in `out` is
// given back with dmxp_region_close.
//
// # Safety
// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
int32_t dmxp_region_open_or_create(const dmxp_region_options *options,
                                   dmxp_region **out);

// Attaches for looking only: nothing is written, channels can be listed but not opened. `options` may be NULL for the default
// region. The result in `out` is given back with dmxp_region_close.
//
// # Safety
// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
int32_t dmxp_region_open_read_only(const dmxp_region_options *options,
                                   dmxp_region **out);

// Attaches to a region as soon as it exists, which another process makes, waiting at most `timeout_ns`. `options` may be NULL for the
// default region. The result in `out` is given back with dmxp_region_close.
//
// Answers DMXP_TIMEOUT, with DMXP_NO_WAIT at once; otherwise as dmxp_region_open.
//
// # Safety
// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
int32_t dmxp_wait_for_region(const dmxp_region_options *options,
                             int64_t timeout_ns,
                             dmxp_region **out);

// Tells of the channel with that name as soon as it exists, which another process makes, waiting at most `timeout_ns`. `out` may be NULL.
//
// Answers DMXP_TIMEOUT, with DMXP_NO_WAIT at once; DMXP_REGION_REMOVED, DMXP_CORRUPT.
//
// # Safety
// `region` is NULL or an open region; `name` is NULL or NUL-terminated; `out` is NULL or points to a place for the result, which begins
// with its size.
int32_t dmxp_wait_for_channel(const dmxp_region *region,
                              const char *name,
                              int64_t timeout_ns,
                              dmxp_channel_info *out);

// Whether a process that opens the region by its path now finds this one: writes 1 to `current`, or 0 when its file was removed, renamed
// or replaced. A region without a name is always current.
//
// # Safety
// `region` is NULL or an open region; `current` points to a place for a number.
int32_t dmxp_region_is_current(const dmxp_region *region,
                               uint8_t *current);

// Removes a region's file; no new process can join. Handles of attached processes answer DMXP_REGION_REMOVED when they wait, unless they
// were opened with `options->keep_removed_region`. Refused with
// DMXP_REGION_IN_USE while processes are attached, this one included, unless `force` is not 0. `options` may be NULL for the
// default region.
//
// # Safety
// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated.
int32_t dmxp_region_remove(const dmxp_region_options *options,
                           int32_t force);

// Gives a region back; NULL is allowed. Producers and consumers that were opened with it stay good.
//
// # Safety
// `region` is NULL, or came from a function here that attaches and was not given back before; nobody uses it any more.
int32_t dmxp_region_close(dmxp_region *region);

// The region's file, or for one without a name `memfd:` and its label; NULL if `region` is NULL. Valid until the region is
// given back.
//
// # Safety
// `region` is NULL or an open region.
const char *dmxp_region_path(const dmxp_region *region);

// Size, tables and free space of a region.
//
// # Safety
// `region` is NULL or an open region; `out` points to a place for the result, which begins with its size.
int32_t dmxp_region_get_info(const dmxp_region *region, dmxp_region_info *out);

// Lists the channels of a region by id: writes the first `max` to `channels` and how many there are in all to `count`. 256
// places are always enough; `channels` may be NULL if `max` is 0.
//
// # Safety
// `region` is NULL or an open region; `channels` points to places for `max` results, of which the first
// begins with the size of each, `count` to a place for one.
int32_t dmxp_region_list_channels(const dmxp_region *region,
                                  dmxp_channel_info *channels,
                                  size_t max,
                                  size_t *count);

// The channel with an id, 0 to 255. Answers DMXP_CHANNEL_NOT_FOUND if there is none.
//
// # Safety
// `region` is NULL or an open region; `out` points to a place for the result, which begins with its size.
int32_t dmxp_region_get_channel(const dmxp_region *region, uint32_t id, dmxp_channel_info *out);

// The channel with a name. Answers DMXP_CHANNEL_NOT_FOUND if there is none.
//
// # Safety
// `region` is NULL or an open region; `name` is NULL or NUL-terminated; `out` points to a place for the result, which begins with its size.
int32_t dmxp_region_find_channel(const dmxp_region *region,
                                 const char *name,
                                 dmxp_channel_info *out);

// The schema of a channel as one line of text: writes it to `text`, NUL included, and its length without the NUL to `len`; the
// text of an untyped channel is empty. If `room` bytes are too few, answers DMXP_BUFFER_TOO_SMALL, writes only `len`, and
// `text` may be NULL.
//
// # Safety
// `region` is NULL or an open region; `text` points to `room` bytes, `len` to a place for the length.
int32_t dmxp_region_get_schema(const dmxp_region *region,
                               uint32_t id,
                               char *text,
                               size_t room,
                               size_t *len);

// Removes a channel and gives its space back. Unless `force` is not 0, that is refused with DMXP_CHANNEL_IN_USE while producers or
// consumers of it are open, and with DMXP_INVALID_ARGUMENT while another channel's dead letters go there. With it the name goes at once,
// calls of its handles fail with DMXP_REMOVED (consumers first drain what is there), and the space follows with the last of them.
//
// # Safety
// `region` is NULL or an open region.
int32_t dmxp_region_remove_channel(const dmxp_region *region,
                                   uint32_t id,
                                   int32_t force);

// dmxp_region_remove_channel of the channel with this name.
//
// # Safety
// `region` is NULL or an open region; `name` is NULL or a text that ends with a zero.
int32_t dmxp_region_remove_channel_named(const dmxp_region *region, const char *name, int32_t force);

// Creates a region without a name and attaches to it. Others get it by dmxp_region_hand_over, or by a descriptor. Its memory is
// sealed, so that nobody can shorten it under its users, and it is given back when the last process that has it ends. The name
// in `options` is only what errors call it, and the directory must be NULL; `options` may be NULL. The result in `out` is given
// back with dmxp_region_close.
//
// # Safety
// `options` is NULL or points to options whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
int32_t dmxp_region_create_anonymous(const dmxp_region_options *options,
                                     dmxp_region **out);

// A descriptor of a region without a name, for another process to inherit or to be sent, in `descriptor`; -1 if there is none.
// Whoever has it can read and write the region. It is the caller's to close, and closed by exec.
//
// Answers DMXP_INVALID_ARGUMENT for a region with a name.
//
// # Safety
// `region` is NULL or an open region; `descriptor` points to a place for a number.
int32_t dmxp_region_get_descriptor(const dmxp_region *region,
                                   int32_t *descriptor);

// Attaches to a region without a name by a descriptor of it, which stays the caller's. `options` may be NULL. The result in `out`
// is given back with dmxp_region_close.
//
// Answers DMXP_NOT_A_REGION for anything but memory that is sealed against shrinking, growing and further seals.
//
// # Safety
// `options` is NULL or points to options whose texts are NULL or NUL-terminated; `descriptor` stays open as long as the call
// runs; `out` points to a place for a pointer.
int32_t dmxp_region_attach(const dmxp_region_options *options,
                           int32_t descriptor,
                           dmxp_region **out);

// As dmxp_region_attach, for looking only: nothing is written, channels can be listed but not opened.
//
// # Safety
// As for dmxp_region_attach.
int32_t dmxp_region_attach_read_only(const dmxp_region_options *options, int32_t descriptor, dmxp_region **out);

// Hands a region without a name to the process at the other end of `socket`, a connected Unix stream socket, which calls
// dmxp_region_receive. Returns when it has attached, and after `timeout_ns` at most; the socket's settings are left alone. Before
// anything is sent, `policy` is asked about the peer, with `context`; if it is NULL, a peer of this process's effective user is
// accepted, and root.
//
// Answers, among others, DMXP_PEER_REFUSED, DMXP_TIMEOUT, DMXP_HAND_OVER (the peer refuses, closes, or speaks of something else).
// The connection is of no further use then, and the peer may have the region all the same.
//
// # Safety
// `region` is NULL or an open region; `socket` stays open as long as the call runs; `policy` is NULL or a function that can be
// called with `context`.
int32_t dmxp_region_hand_over(const dmxp_region *region,
                              int32_t socket,
                              int64_t timeout_ns,
                              dmxp_peer_policy policy,
                              void *context);

// Attaches to the region that the process at the other end of `socket`, a connected Unix stream socket, hands over with
// dmxp_region_hand_over. Waits `timeout_ns` at most; the socket's settings are left alone, and nothing is read but the
// exchange. Before anything is read, `policy` is asked about the peer, with `context`; if it is NULL, a peer of this process's
// effective user is accepted, and root, and the user that `options` accepts as owner. `options` may be NULL. The result in `out` is
// given back with dmxp_region_close.
//
// Answers, among others, DMXP_PEER_REFUSED, DMXP_TIMEOUT, DMXP_HAND_OVER (the peer closes, speaks of something else, or sends none
// or several descriptors), DMXP_NOT_A_REGION. The connection is of no further use then.
//
// # Safety
// `options` is NULL or points to options whose texts are NULL or NUL-terminated; `socket` stays open as long as the call runs;
// `policy` is NULL or a function that can be called with `context`; `out` points to a place for a pointer.
int32_t dmxp_region_receive(const dmxp_region_options *options,
                            int32_t socket,
                            int64_t timeout_ns,
                            dmxp_peer_policy policy,
                            void *context,
                            dmxp_region **out);

// Says for all threads of the process whether waits go on after a signal handler has run in their thread: 1 for yes, 0 for no, which is what
// they do unless told otherwise. Those that do not go on answer DMXP_INTERRUPTED, whether the handler has SA_RESTART or not; a wait set with channels goes on after
// one that has it. As with all calls that
// signals interrupt, a handler that runs a moment before the thread goes to sleep is not noticed; to end a wait for certain, wait with a set,
// and have the handler call dmxp_wait_set_interrupt.
int32_t dmxp_restart_waits(int32_t restart);

// Opens a producer, and creates the channel if it does not exist and the options allow it. `region` may be NULL for the
// default region, which is created too. The result in `out` is given back with dmxp_producer_destroy.
//
// Answers, among others, DMXP_CHANNEL_MISMATCH, DMXP_SCHEMA_MISMATCH, DMXP_CHANNEL_NOT_FOUND, DMXP_REGION_FULL,
// DMXP_OUT_OF_MEMORY, DMXP_CHANNEL_TABLE_FULL, DMXP_HANDLE_TABLE_FULL, DMXP_INVALID_ARGUMENT, and DMXP_CHANNEL_IN_USE for a
// second producer of a channel that has one at a time.
//
// # Safety
// `region` is NULL or an open region; `options` points to options whose texts are NULL or NUL-terminated; `out` points to a
// place for a pointer.
int32_t dmxp_producer_open(const dmxp_region *region,
                           const dmxp_channel_options *options,
                           dmxp_producer **out);

// The producer of urgent messages, on a channel with priorities: what it sends is received before all others that wait. It is used
// as any producer, belongs to `producer` and goes with it: do not destroy it.
//
// Answers DMXP_INVALID_ARGUMENT where the channel has no priorities.
//
// # Safety
// `producer` is NULL or an open producer; `out` points to a place for a pointer, which is good as long as `producer` is.
int32_t dmxp_producer_high(dmxp_producer *producer,
                           dmxp_producer **out);

// Copies a message into the channel, waiting at most `timeout_ns` for a free slot.
//
// Answers, among others, DMXP_FULL (without waiting), DMXP_TIMEOUT, DMXP_CLOSED, DMXP_PAYLOAD_TOO_LARGE; on a typed channel
// DMXP_INVALID_ARGUMENT for a message that is not valid, such as an enum without such a value: nothing is sent then.
//
// # Safety
// `producer` is NULL or an open producer; `data` points to `len` bytes that nobody writes in the meantime.
int32_t dmxp_producer_send(dmxp_producer *producer,
                           const void *data,
                           size_t len,
                           int64_t timeout_ns);

// Copies all of `count` messages into the channel or none, waiting at most `timeout_ns` for room. They become visible at once
// and have consecutive ids. At most the channel's capacity, and 32,767, fit one batch.
//
// Answers, among others, DMXP_FULL (without waiting), DMXP_TIMEOUT, DMXP_CLOSED, DMXP_PAYLOAD_TOO_LARGE (nothing is sent
// then), DMXP_BATCH_TOO_LARGE.
//
// # Safety
// `producer` is NULL or an open producer; `messages` points to `count` slices, and each of them to its bytes, which nobody
// writes in the meantime.
int32_t dmxp_producer_send_batch(dmxp_producer *producer,
                                 const dmxp_slice *messages,
                                 size_t count,
                                 int64_t timeout_ns);

// Copies as many of `count` messages into the channel as there is room for, from the first on, waiting at most `timeout_ns`
// for room for one. They become visible at once. The number is written to `sent`.
//
// Answers as dmxp_producer_send_batch, but never DMXP_BATCH_TOO_LARGE.
//
// # Safety
// As for dmxp_producer_send_batch; `sent` points to a place for the result.
int32_t dmxp_producer_send_up_to(dmxp_producer *producer,
                                 const dmxp_slice *messages,
                                 size_t count,
                                 int64_t timeout_ns,
                                 size_t *sent);

// Claims a slot for a message of `len` bytes, to be written in place, waiting at most `timeout_ns` for a free one. The bytes
// start as zeros. Finish the claim with dmxp_producer_publish or dmxp_producer_abort; a producer holds at most eight,
// for all its threads together.
//
// Messages that others send after this claim are not received before it is finished.
//
// Answers as dmxp_producer_send, and DMXP_TOO_MANY_CLAIMS, DMXP_WOULD_DEADLOCK.
//
// # Safety
// `producer` is NULL or an open producer; `claim` points to a place for the result.
int32_t dmxp_producer_claim(dmxp_producer *producer,
                            size_t len,
                            int64_t timeout_ns,
                            dmxp_claim *claim);

// Makes a claimed message of `claim->len` bytes visible, and empties `claim`.
//
// Answers DMXP_STALE for a claim that is finished or another producer's; DMXP_INVALID_ARGUMENT for a length that is not
// possible and, on a typed channel, for a message that is not valid: the claim stays then.
//
// # Safety
// `producer` is NULL or an open producer; `claim` is NULL or points to a claim that was filled by dmxp_producer_claim or to
// zeros. Nobody writes the claimed bytes any more.
int32_t dmxp_producer_publish(dmxp_producer *producer,
                              dmxp_claim *claim);

// Gives a claim up, and empties `claim`: consumers never see the message. Answers DMXP_STALE for a claim that is finished or
// another producer's.
//
// # Safety
// As for dmxp_producer_publish.
int32_t dmxp_producer_abort(dmxp_producer *producer,
                            dmxp_claim *claim);

// Claims slots for `count` messages of `len` bytes, to be written in place, waiting at most `timeout_ns` until all are free.
// The bytes start as zeros. Each of `claims` says where its message goes; they are finished together, with
// dmxp_producer_publish_batch or dmxp_producer_abort_batch, and not one by one.
//
// Answers as dmxp_producer_claim, and DMXP_BATCH_TOO_LARGE.
//
// # Safety
// `producer` is NULL or an open producer; `claims` points to places for `count` results, `batch` to a place for one.
int32_t dmxp_producer_claim_batch(dmxp_producer *producer,
                                  size_t count,
                                  size_t len,
                                  int64_t timeout_ns,
                                  dmxp_claim *claims,
                                  dmxp_batch *batch);

// Makes all messages of a batch visible at once, each of `claims[i].len` bytes, and empties `batch`. `claims` may be NULL if
// all have the length they were claimed with.
//
// Answers as dmxp_producer_publish.
//
// # Safety
// `producer` is NULL or an open producer; `batch` is NULL or points to a batch that was filled by dmxp_producer_claim_batch or
// to zeros; `claims` is NULL or points to the claims that were filled with it. Nobody writes the claimed bytes any more.
int32_t dmxp_producer_publish_batch(dmxp_producer *producer,
                                    const dmxp_claim *claims,
                                    dmxp_batch *batch);

// Gives a batch up, and empties `batch`: consumers never see its messages. Answers DMXP_STALE for a batch that is finished or
// another producer's.
//
// # Safety
// `producer` is NULL or an open producer; `batch` is NULL or points to a batch that was filled by dmxp_producer_claim_batch or
// to zeros.
int32_t dmxp_producer_abort_batch(dmxp_producer *producer,
                                  dmxp_batch *batch);

// The application's number in the metadata of the messages that follow, on untyped channels; on typed ones it is the schema's,
// and this answers DMXP_INVALID_ARGUMENT.
//
// # Safety
// `producer` is NULL or an open producer.
int32_t dmxp_producer_set_message_type(dmxp_producer *producer,
                                       uint32_t message_type);

// The producer's channel.
//
// # Safety
// `producer` is NULL or an open producer; `out` points to a place for the result, which begins with its size.
int32_t dmxp_producer_get_info(dmxp_producer *producer, dmxp_handle_info *out);

// Ends the stream: sending fails with DMXP_CLOSED from now on, consumers drain what is there and then get DMXP_CLOSED. The
// next producer that is opened reopens it. The handle is still to be destroyed.
//
// # Safety
// `producer` is NULL or an open producer.
int32_t dmxp_producer_close(dmxp_producer *producer);

// Gives a producer back; NULL is allowed. Its unfinished claims are aborted, and their memory must not be touched any more.
// This does not end the stream: channels outlive processes.
//
// # Safety
// Nobody uses the producer any more. One that was destroyed before answers DMXP_STALE.
int32_t dmxp_producer_destroy(dmxp_producer *producer);

// Opens a consumer, and creates the channel if it does not exist and the options allow it. `region` may be NULL for the
// default region, which is created too. The result in `out` is given back with dmxp_consumer_destroy.
//
// Answers as dmxp_producer_open.
//
// # Safety
// `region` is NULL or an open region; `options` points to options whose texts are NULL or NUL-terminated; `out` points to a
// place for a pointer.
int32_t dmxp_consumer_open(const dmxp_region *region,
                           const dmxp_channel_options *options,
                           dmxp_consumer **out);

// Waits at most `timeout_ns` for a message and borrows it, in place where no producer can overwrite it meanwhile, that is
// everywhere but as a lossy subscriber and on a latest channel. Give it back with dmxp_consumer_release when it was dealt
// with, or with dmxp_consumer_give_back; a consumer holds at most eight, for all its threads together.
//
// Answers, among others, DMXP_EMPTY (without waiting), DMXP_TIMEOUT, DMXP_CLOSED, DMXP_REMOVED, DMXP_TOO_MANY_CLAIMS,
// DMXP_WOULD_DEADLOCK; DMXP_INVALID_MESSAGE and DMXP_CHECKSUM_MISMATCH for a message that cannot be read, or is not valid by the
// schema that the consumer was opened with; it is off the channel now.
//
// # Safety
// `consumer` is NULL or an open consumer; `message` points to a place for the result, which begins with its size.
int32_t dmxp_consumer_recv(dmxp_consumer *consumer,
                           int64_t timeout_ns,
                           dmxp_message *message);

// Borrows the newest message of a latest channel, whether this consumer has seen it or not, and does not wait. Give it back with
// dmxp_consumer_release.
//
// Answers DMXP_EMPTY when nothing was sent yet, DMXP_INVALID_ARGUMENT on other channels, and otherwise as dmxp_consumer_recv.
//
// # Safety
// As for dmxp_consumer_recv.
int32_t dmxp_consumer_newest(dmxp_consumer *consumer,
                             dmxp_message *message);

// Hands the slot of a message back to producers, and empties `message`: it was dealt with. Answers DMXP_STALE for a message
// that went back already or is another consumer's.
//
// # Safety
// `consumer` is NULL or an open consumer; `message` is NULL or points to a message that was filled by dmxp_consumer_recv or to
// zeros. Nobody reads its bytes any more.
int32_t dmxp_consumer_release(dmxp_consumer *consumer,
                              dmxp_message *message);

// Returns a message to the channel, and empties `message`: it is delivered again, with `redelivered` counted up, to whoever
// comes first. On a broadcast or latest channel the others have it anyway: this consumer gets it once more if it was the last that
// it got. Answers DMXP_STALE for a message that went back already or is another consumer's.
//
// # Safety
// As for dmxp_consumer_release.
int32_t dmxp_consumer_give_back(dmxp_consumer *consumer,
                                dmxp_message *message);

// Waits at most `timeout_ns` for a message and copies it to `buffer`; its length is written to `len`. A message of more than
// `room` bytes stays on the channel as it is, neither taken nor marked as delivered before, and DMXP_BUFFER_TOO_SMALL is answered with
// its length in `len`: call again with a larger buffer. Another consumer of a queue may be faster then.
//
// Answers otherwise as dmxp_consumer_recv.
//
// # Safety
// `consumer` is NULL or an open consumer; `buffer` points to `room` bytes, `len` to a place for the length.
int32_t dmxp_consumer_recv_copy(dmxp_consumer *consumer,
                                void *buffer,
                                size_t room,
                                size_t *len,
                                int64_t timeout_ns);

// Waits at most `timeout_ns` for a message and borrows all that are there, at most `max`, in place, in order. Their number
// is written to `batch`, by which they go back together, with dmxp_consumer_release_batch or dmxp_consumer_give_back_batch,
// and not one by one. A `max` of 0 waits for nothing: the batch has no messages, and need not go back.
//
// Answers as dmxp_consumer_recv. A batch with a message that cannot be read is refused as a whole: that message is off the
// channel, the others go back, to be delivered again. What `messages` says is void then.
//
// # Safety
// `consumer` is NULL or an open consumer; `messages` points to places for `max` results, of which the first
// begins with the size of each, `batch` to a place for one.
int32_t dmxp_consumer_recv_batch(dmxp_consumer *consumer,
                                 dmxp_message *messages,
                                 size_t max,
                                 int64_t timeout_ns,
                                 dmxp_batch *batch);

// Hands the slots of a batch back to producers, and empties `batch`: its messages were dealt with. Answers DMXP_STALE for a
// batch that went back already or is another consumer's.
//
// # Safety
// `consumer` is NULL or an open consumer; `batch` is NULL or points to a batch that was filled by dmxp_consumer_recv_batch or
// to zeros. Nobody reads the bytes of its messages any more.
int32_t dmxp_consumer_release_batch(dmxp_consumer *consumer,
                                    dmxp_batch *batch);

// Returns the messages of a batch to the channel, and empties `batch`: they are delivered again, with `redelivered` counted
// up, to whoever comes first. Answers DMXP_STALE for a batch that went back already or is another consumer's.
//
// # Safety
// As for dmxp_consumer_release_batch.
int32_t dmxp_consumer_give_back_batch(dmxp_consumer *consumer,
                                      dmxp_batch *batch);

// The consumer's channel.
//
// # Safety
// `consumer` is NULL or an open consumer; `out` points to a place for the result, which begins with its size.
int32_t dmxp_consumer_get_info(dmxp_consumer *consumer, dmxp_handle_info *out);

// Ends the stream: sending fails with DMXP_CLOSED from now on, consumers drain what is there and then get DMXP_CLOSED. The
// next producer that is opened reopens it. The handle is still to be destroyed.
//
// # Safety
// `consumer` is NULL or an open consumer.
int32_t dmxp_consumer_close(dmxp_consumer *consumer);

// Gives a consumer back; NULL is allowed. The messages that it has borrowed return to the channel, to be delivered again, and
// their memory must not be touched any more.
//
// # Safety
// Nobody uses the consumer any more. One that was destroyed before answers DMXP_STALE.
int32_t dmxp_consumer_destroy(dmxp_consumer *consumer);

// Waits at most `timeout_ns` for a message and borrows all that are there, at most `max`, as one stretch: a pointer and a length, on a
// channel with packed slots. It ends where the ring ends: the rest comes with the next call. It goes back with
// dmxp_consumer_release_stretch or dmxp_consumer_give_back_stretch.
//
// Answers as dmxp_consumer_recv, and DMXP_INVALID_ARGUMENT on other channels.
//
// # Safety
// `consumer` is NULL or an open consumer; `stretch` points to a place for the result, which begins with its size.
int32_t dmxp_consumer_recv_stretch(dmxp_consumer *consumer,
                                   size_t max,
                                   int64_t timeout_ns,
                                   dmxp_stretch *stretch);

// Releases a stretch, and empties it: its messages were dealt with. Answers DMXP_STALE for one that went back already or is
// another consumer's.
//
// # Safety
// `consumer` is NULL or an open consumer; `stretch` is NULL or points to one that was filled by dmxp_consumer_recv_stretch or to
// zeros. Nobody reads its bytes any more.
int32_t dmxp_consumer_release_stretch(dmxp_consumer *consumer,
                                      dmxp_stretch *stretch);

// Goes back to before a stretch, and empties it: its messages come next again, if nothing was received since.
//
// # Safety
// As for dmxp_consumer_release_stretch.
int32_t dmxp_consumer_give_back_stretch(dmxp_consumer *consumer, dmxp_stretch *stretch);

// Waits at most `timeout_ns` for a message and copies all that are there, at most as many as `room` bytes hold, to `buffer`, on a
// channel with packed slots; they are released. Their number is written to `count`. For a lossy subscriber it is the only copy.
//
// Answers as dmxp_consumer_recv, and DMXP_INVALID_ARGUMENT on other channels and where there is not room for one.
//
// # Safety
// `consumer` is NULL or an open consumer; `buffer` points to `room` bytes that are the call's alone, `count` to a place for the number.
int32_t dmxp_consumer_copy_stretch(dmxp_consumer *consumer,
                                   void *buffer,
                                   size_t room,
                                   size_t *count,
                                   int64_t timeout_ns);

// Copies `count` messages that lie side by side, `count` times the channel's payload capacity in bytes, into a channel with packed
// slots: all or none, waiting at most `timeout_ns` for room. They become visible at once and have consecutive ids.
//
// Answers as dmxp_producer_send_batch, and DMXP_INVALID_ARGUMENT on other channels.
//
// # Safety
// `producer` is NULL or an open producer; `data` points to the messages, which nobody writes in the meantime.
int32_t dmxp_producer_send_stretch(dmxp_producer *producer,
                                   const void *data,
                                   size_t count,
                                   int64_t timeout_ns);

// Makes an empty set. `strategy` is a dmxp_wait_strategy, of this set alone, those of its members do not count; 0 is
// DMXP_SPIN_THEN_SLEEP. The result in `out` is given back with dmxp_wait_set_destroy.
//
// # Safety
// `out` points to a place for a pointer.
int32_t dmxp_wait_set_create(uint32_t strategy, dmxp_wait_set **out);

// Adds a consumer, which is ready when there is a message for it, and when its stream has ended. `token` is a number of the caller's
// choice that no other member has. A consumer that is destroyed is in the set no more.
//
// # Safety
// `set` is NULL or a set; `consumer` is NULL or an open consumer.
int32_t dmxp_wait_set_add_consumer(dmxp_wait_set *set,
                                   const dmxp_consumer *consumer,
                                   uint64_t token);

// Adds a producer, which is ready when there is room for a message, and when its stream has ended. `token` is a number of the caller's
// choice that no other member has. A producer that is destroyed is in the set no more.
//
// # Safety
// `set` is NULL or a set; `producer` is NULL or an open producer.
int32_t dmxp_wait_set_add_producer(dmxp_wait_set *set,
                                   const dmxp_producer *producer,
                                   uint64_t token);

// Adds a file descriptor, which is ready while it can be read, and when its peer has closed it. `token` is a number of the caller's
// choice that no other member has. The set has a duplicate of the descriptor until it is removed: the program may close its own. One
// wait reports at most 64 descriptors; the others come first next time.
//
// Answers, among others, DMXP_IO for what cannot be waited for, such as a file on disk.
//
// # Safety
// `set` is NULL or a set.
int32_t dmxp_wait_set_add_fd(dmxp_wait_set *set,
                             int32_t fd,
                             uint64_t token);

// Takes the member with that token out of the set. Answers DMXP_INVALID_ARGUMENT when there is none, or not any more.
//
// # Safety
// `set` is NULL or a set.
int32_t dmxp_wait_set_remove(dmxp_wait_set *set, uint64_t token);

// Waits until a member is ready: writes the tokens of the first `max` that are to `tokens`, and how many it has written to `count`.
// Where more are ready, the others come first next time. With DMXP_NO_WAIT it only looks.
//
// Answers DMXP_OK with a `count` of 0 when the time is over, when there was nothing with DMXP_NO_WAIT, and when the wait was
// interrupted by dmxp_wait_set_interrupt; DMXP_INTERRUPTED when a signal handler has run, unless dmxp_restart_waits. That a member is ready is a hint: another consumer of the channel may take the message first. So go on with
// DMXP_NO_WAIT, and where that finds nothing, wait again. A member stays ready until it is used, one whose stream has ended until it
// is removed.
//
// # Safety
// `set` is NULL or a set; `tokens` points to places for `max` results, `count` to a place for one.
int32_t dmxp_wait_set_wait(dmxp_wait_set *set,
                           int64_t timeout_ns,
                           uint64_t *tokens,
                           size_t max,
                           size_t *count);

// Ends the wait that the set is in, or else the next one it begins. Any thread may call it, and any signal handler: it is
// async-signal-safe for a set that was made and not destroyed. Several interrupts before a wait end one.
//
// # Safety
// `set` is NULL or a set.
int32_t dmxp_wait_set_interrupt(const dmxp_wait_set *set);

// How many members there are, without those that were destroyed.
//
// # Safety
// `set` is NULL or a set; `count` points to a place for the result.
int32_t dmxp_wait_set_len(dmxp_wait_set *set, size_t *count);

// Gives a set back; NULL is allowed. Its members stay what they are.
//
// # Safety
// `set` is NULL, or came from dmxp_wait_set_create and was not destroyed before; nobody uses it any more.
int32_t dmxp_wait_set_destroy(dmxp_wait_set *set);

// Repairs at once, for the whole region, what dead processes left, and says what it found. Processes that wait do the same for
// their channel, within 100 ms; this is for those who want to know, or to see a region clean, and the only way to repair what
// programs left that know only v1 (`force`). `options` may be NULL. The report in `out` is given back with
// dmxp_recovery_destroy.
//
// Answers, among others, DMXP_READ_ONLY, and DMXP_MANAGEMENT_LOCK_BUSY after ten seconds.
//
// # Safety
// `region` is NULL or an open region; `options` is NULL or points to options; `out` points to a place for a pointer.
int32_t dmxp_region_recover(const dmxp_region *region,
                            const dmxp_recover_options *options,
                            dmxp_recovery **out);

// The report in words, a line for each process and channel; NULL if `recovery` is NULL. Valid until the report is given back.
//
// # Safety
// `recovery` is NULL or a report.
const char *dmxp_recovery_text(const dmxp_recovery *recovery);

// The report in numbers.
//
// # Safety
// `recovery` is NULL or a report; `out` points to a place for the result, which begins with its size.
int32_t dmxp_recovery_get_info(const dmxp_recovery *recovery, dmxp_recovery_info *out);

// Lists the processes that died attached: writes the first `max` pids, each of its own PID namespace, to `pids` and how many
// there are in all to `count`. `pids` may be NULL if `max` is 0.
//
// # Safety
// `recovery` is NULL or a report; `pids` points to places for `max` results, `count` to a place for one.
int32_t dmxp_recovery_list_processes(const dmxp_recovery *recovery,
                                     uint32_t *pids,
                                     size_t max,
                                     size_t *count);

// Lists the channels on which something was found: writes the first `max` to `channels` and how many there are in all to
// `count`. 256 places are always enough; `channels` may be NULL if `max` is 0.
//
// # Safety
// `recovery` is NULL or a report; `channels` points to places for `max` results, of which the first
// begins with the size of each, `count` to a place for one.
int32_t dmxp_recovery_list_channels(const dmxp_recovery *recovery,
                                    dmxp_channel_recovery *channels,
                                    size_t max,
                                    size_t *count);

// Gives a report back; NULL is allowed.
//
// # Safety
// `recovery` is NULL, or came from dmxp_region_recover and was not given back before; nobody uses it any more.
int32_t dmxp_recovery_destroy(dmxp_recovery *recovery);

// Lists who waits for whom, on every channel, at this moment: the positions that keep producers or consumers from going on,
// who holds them, and who waits. Writes the first `max` to `blockages` and how many there are in all to `count`. 512 places are
// always enough; `blockages` may be NULL if `max` is 0. Only looks, and works on a region opened read-only.
//
// # Safety
// `region` is NULL or an open region; `blockages` points to places for `max` results, of which the first
// begins with the size of each, `count` to a place for one.
int32_t dmxp_region_list_blockages(const dmxp_region *region,
                                   dmxp_blockage *blockages,
                                   size_t max,
                                   size_t *count);

// Who waits for whom, in words, a line for each position: writes them to `text`, NUL included, and their length without the
// NUL to `len`; empty if nobody is kept from going on. If `room` bytes are too few, answers DMXP_BUFFER_TOO_SMALL, writes only
// `len`, and `text` may be NULL.
//
// # Safety
// `region` is NULL or an open region; `text` points to `room` bytes, `len` to a place for the length.
int32_t dmxp_region_describe_blockages(const dmxp_region *region,
                                       char *text,
                                       size_t room,
                                       size_t *len);

// Lists what happened on each channel, by id: writes the first `max` to `statistics` and how many there are in all to `count`.
// 256 places are always enough; `statistics` may be NULL if `max` is 0. Always counted, and read without stopping anybody; works
// on a region opened read-only.
//
// # Safety
// `region` is NULL or an open region; `statistics` points to places for `max` results, of which the first
// begins with the size of each, `count` to a place for one.
int32_t dmxp_region_list_statistics(const dmxp_region *region,
                                    dmxp_channel_statistics *statistics,
                                    size_t max,
                                    size_t *count);

// What happened on the channel with an id, 0 to 255, and what each handle did that is open now: writes the first `max` of these to
// `handles`; how many there are in all is in `out`. `handles` may be NULL if `max` is 0. Works on a region opened read-only. Answers
// DMXP_CHANNEL_NOT_FOUND if there is no such channel.
//
// # Safety
// `region` is NULL or an open region; `out` points to a place for the result, which begins with its size, `handles` to places for
// `max` results, of which the first begins with the size of each.
int32_t dmxp_region_get_statistics(const dmxp_region *region,
                                   uint32_t id,
                                   dmxp_channel_statistics *out,
                                   dmxp_handle_statistics *handles,
                                   size_t max);

// Copies the messages that are on a channel, without consuming any: each is whole, and comes with metadata, position and state. `id` may be
// that of a ring for urgent messages; of a channel with priorities, urgent messages come first. `options` may be NULL. What is found is in
// `out`, and given back with dmxp_peek_destroy. Changes nothing, waits for nobody, and works on a region opened read-only. What a call
// does is bounded by the limit, and by 131,072 slots looked at in each ring. Answers DMXP_CHANNEL_NOT_FOUND if there is no such
// channel.
//
// # Safety
// `region` is NULL or an open region; `options` is NULL or points to options; `out` points to a place for a pointer.
int32_t dmxp_region_peek(const dmxp_region *region,
                         uint32_t id,
                         const dmxp_peek_options *options,
                         dmxp_peek **out);

// What was found, in numbers.
//
// # Safety
// `peek` is NULL or came from dmxp_region_peek; `out` points to a place for the result, which says its size.
int32_t dmxp_peek_get_info(const dmxp_peek *peek, dmxp_peek_info *out);

// The schema of the channel as one line of text, with which the bytes can be decoded; empty on an untyped channel, NULL if `peek` is NULL.
// Valid until `peek` is given back.
//
// # Safety
// `peek` is NULL or came from dmxp_region_peek.
const char *dmxp_peek_schema(const dmxp_peek *peek);

// Lists the messages that were found, by position, urgent ones before all others: writes the first `max` to `messages` and how many there are
// in all to `count`. `messages` may be NULL if `max` is 0.
//
// # Safety
// `peek` is NULL or came from dmxp_region_peek; `messages` points to places for `max` results, the first of which says the size of each, `count` to a place for one.
int32_t dmxp_peek_list_messages(const dmxp_peek *peek,
                                dmxp_peeked *messages,
                                size_t max,
                                size_t *count);

// Gives back what was found; NULL is allowed.
//
// # Safety
// `peek` is NULL, or came from dmxp_region_peek and was not given back before; nobody uses it any more.
int32_t dmxp_peek_destroy(dmxp_peek *peek);

// Tells how many consumers the channel has: live handles, of any process. At most `max` of their process ids, one for each handle, are
// written to `pids`, which may be NULL if `max` is 0, and how many consumers there are in all to `count`.
//
// Answers DMXP_REMOVED, DMXP_FORKED, DMXP_EVICTED.
//
// # Safety
// `producer` is NULL or an open producer; `pids` points to places for `max` numbers; `count` to a place for one.
int32_t dmxp_producer_consumers(dmxp_producer *producer,
                                uint32_t *pids,
                                size_t max,
                                size_t *count);

// Tells how many producers the channel has, as dmxp_producer_consumers does of consumers.
//
// # Safety
// `consumer` is NULL or an open consumer; the rest as for dmxp_producer_consumers.
int32_t dmxp_consumer_producers(dmxp_consumer *consumer, uint32_t *pids, size_t max, size_t *count);

// Waits at most `timeout_ns` until the channel has at least `count` consumers. How many it has is written to `found`, which may be NULL.
// The call sleeps meanwhile, and is woken when one comes.
//
// Answers DMXP_TIMEOUT, with DMXP_NO_WAIT at once, and as dmxp_producer_consumers.
//
// # Safety
// `producer` is NULL or an open producer; `found` is NULL or points to a place for a number.
int32_t dmxp_producer_wait_for_consumers(dmxp_producer *producer,
                                         size_t count,
                                         int64_t timeout_ns,
                                         size_t *found);

// Waits until the channel has at least `count` producers, as dmxp_producer_wait_for_consumers does for consumers.
//
// # Safety
// `consumer` is NULL or an open consumer; `found` is NULL or points to a place for a number.
int32_t dmxp_consumer_wait_for_producers(dmxp_consumer *consumer, size_t count, int64_t timeout_ns, size_t *found);

// Tells of the channel's newest stream. A producer that comes to a channel without producers, or to one that was closed, begins a stream;
// one that comes while another lives continues it.
//
// Answers DMXP_FORKED, DMXP_EVICTED.
//
// # Safety
// `producer` is NULL or an open producer; `out` points to a place for the result, of the size that it says.
int32_t dmxp_producer_stream(dmxp_producer *producer,
                             dmxp_stream_info *out);

// Tells of the channel's newest stream, as dmxp_producer_stream does: a consumer that remembers the number tells a stream that was begun
// anew from one that goes on, and messages with ids below `first_message` are of streams before.
//
// # Safety
// `consumer` is NULL or an open consumer; `out` points to a place for the result, of the size that it says.
int32_t dmxp_consumer_stream(dmxp_consumer *consumer,
                             dmxp_stream_info *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DMXP_H */

/* The structs are part of the binary interface. */
static_assert(sizeof(void *) == 8 && sizeof(size_t) == 8, "dmxp needs a 64-bit system");
static_assert(sizeof(dmxp_region_options) == 72, "dmxp_region_options: size");
static_assert(offsetof(dmxp_region_options, size) == 24, "dmxp_region_options.size: offset");
static_assert(offsetof(dmxp_region_options, max_processes) == 32, "dmxp_region_options.max_processes: offset");
static_assert(offsetof(dmxp_region_options, runtime) == 40, "dmxp_region_options.runtime: offset");
static_assert(offsetof(dmxp_region_options, accept_owner) == 48, "dmxp_region_options.accept_owner: offset");
static_assert(offsetof(dmxp_region_options, secret) == 56, "dmxp_region_options.secret: offset");
static_assert(sizeof(dmxp_region_info) == 72, "dmxp_region_info: size");
static_assert(offsetof(dmxp_region_info, channels) == 48, "dmxp_region_info.channels: offset");
static_assert(sizeof(dmxp_peer_credentials) == 12, "dmxp_peer_credentials: size");
static_assert(sizeof(dmxp_channel_options) == 96, "dmxp_channel_options: size");
static_assert(offsetof(dmxp_channel_options, name) == 8, "dmxp_channel_options.name: offset");
static_assert(offsetof(dmxp_channel_options, schema) == 16, "dmxp_channel_options.schema: offset");
static_assert(offsetof(dmxp_channel_options, dead_letters) == 24, "dmxp_channel_options.dead_letters: offset");
static_assert(offsetof(dmxp_channel_options, capacity) == 32, "dmxp_channel_options.capacity: offset");
static_assert(offsetof(dmxp_channel_options, expiry_ns) == 40, "dmxp_channel_options.expiry_ns: offset");
static_assert(offsetof(dmxp_channel_options, start_position) == 48, "dmxp_channel_options.start_position: offset");
static_assert(offsetof(dmxp_channel_options, channel_id) == 56, "dmxp_channel_options.channel_id: offset");
static_assert(offsetof(dmxp_channel_options, message_type) == 60, "dmxp_channel_options.message_type: offset");
static_assert(offsetof(dmxp_channel_options, payload_capacity) == 64, "dmxp_channel_options.payload_capacity: offset");
static_assert(offsetof(dmxp_channel_options, redelivery_limit) == 68, "dmxp_channel_options.redelivery_limit: offset");
static_assert(offsetof(dmxp_channel_options, id_and_name) == 70, "dmxp_channel_options.id_and_name: offset");
static_assert(offsetof(dmxp_channel_options, compact_slots) == 72, "dmxp_channel_options.compact_slots: offset");
static_assert(offsetof(dmxp_channel_options, single_producer) == 77, "dmxp_channel_options.single_producer: offset");
static_assert(offsetof(dmxp_channel_options, dead_consumers) == 80, "dmxp_channel_options.dead_consumers: offset");
static_assert(offsetof(dmxp_channel_options, wait_strategy) == 84, "dmxp_channel_options.wait_strategy: offset");
static_assert(offsetof(dmxp_channel_options, end_without_producers) == 85, "dmxp_channel_options.end_without_producers: offset");
static_assert(offsetof(dmxp_channel_options, reserved) == 88, "dmxp_channel_options.reserved: offset");
static_assert(sizeof(dmxp_stream_info) == 24, "dmxp_stream_info: size");
static_assert(offsetof(dmxp_stream_info, number) == 16, "dmxp_stream_info.number: offset");
static_assert(sizeof(dmxp_channel_info) == 296, "dmxp_channel_info: size");
static_assert(offsetof(dmxp_channel_info, id) == 56, "dmxp_channel_info.id: offset");
static_assert(offsetof(dmxp_channel_info, v1_peers) == 80, "dmxp_channel_info.v1_peers: offset");
static_assert(offsetof(dmxp_channel_info, delivery) == 86, "dmxp_channel_info.delivery: offset");
static_assert(offsetof(dmxp_channel_info, name) == 88, "dmxp_channel_info.name: offset");
static_assert(offsetof(dmxp_channel_info, aborted) == 160, "dmxp_channel_info.aborted: offset");
static_assert(offsetof(dmxp_channel_info, dead_letters) == 192, "dmxp_channel_info.dead_letters: offset");
static_assert(offsetof(dmxp_channel_info, slot_size) == 264, "dmxp_channel_info.slot_size: offset");
static_assert(offsetof(dmxp_channel_info, high_id) == 268, "dmxp_channel_info.high_id: offset");
static_assert(offsetof(dmxp_channel_info, expiry_ns) == 272, "dmxp_channel_info.expiry_ns: offset");
static_assert(offsetof(dmxp_channel_info, lossy_subscribers) == 288, "dmxp_channel_info.lossy_subscribers: offset");
static_assert(sizeof(dmxp_handle_info) == 48, "dmxp_handle_info: size");
static_assert(offsetof(dmxp_handle_info, channel_id) == 24, "dmxp_handle_info.channel_id: offset");
static_assert(offsetof(dmxp_handle_info, delivery) == 36, "dmxp_handle_info.delivery: offset");
static_assert(offsetof(dmxp_handle_info, missed) == 40, "dmxp_handle_info.missed: offset");
static_assert(sizeof(dmxp_token) == 16, "dmxp_token: size");
static_assert(sizeof(dmxp_slice) == 16, "dmxp_slice: size");
static_assert(sizeof(dmxp_claim) == 40, "dmxp_claim: size");
static_assert(offsetof(dmxp_claim, message_id) == 16, "dmxp_claim.message_id: offset");
static_assert(offsetof(dmxp_claim, token) == 24, "dmxp_claim.token: offset");
static_assert(sizeof(dmxp_batch) == 24, "dmxp_batch: size");
static_assert(offsetof(dmxp_batch, token) == 8, "dmxp_batch.token: offset");
static_assert(sizeof(dmxp_metadata) == 48, "dmxp_metadata: size");
static_assert(offsetof(dmxp_metadata, timestamp_ns) == 8, "dmxp_metadata.timestamp_ns: offset");
static_assert(offsetof(dmxp_metadata, channel_id) == 16, "dmxp_metadata.channel_id: offset");
static_assert(offsetof(dmxp_metadata, sender_runtime) == 28, "dmxp_metadata.sender_runtime: offset");
static_assert(offsetof(dmxp_metadata, payload_len) == 32, "dmxp_metadata.payload_len: offset");
static_assert(offsetof(dmxp_metadata, redelivered) == 36, "dmxp_metadata.redelivered: offset");
static_assert(offsetof(dmxp_metadata, missed) == 40, "dmxp_metadata.missed: offset");
static_assert(sizeof(dmxp_message) == 88, "dmxp_message: size");
static_assert(offsetof(dmxp_message, data) == 8, "dmxp_message.data: offset");
static_assert(offsetof(dmxp_message, token) == 24, "dmxp_message.token: offset");
static_assert(offsetof(dmxp_message, metadata) == 40, "dmxp_message.metadata: offset");
static_assert(sizeof(dmxp_recover_options) == 16, "dmxp_recover_options: size");
static_assert(sizeof(dmxp_peek_options) == 24, "dmxp_peek_options: size");
static_assert(offsetof(dmxp_peek_options, limit) == 20, "dmxp_peek_options.limit: offset");
static_assert(sizeof(dmxp_peek_info) == 112, "dmxp_peek_info: size");
static_assert(offsetof(dmxp_peek_info, channel_id) == 32, "dmxp_peek_info.channel_id: offset");
static_assert(offsetof(dmxp_peek_info, name) == 40, "dmxp_peek_info.name: offset");
static_assert(sizeof(dmxp_peeked) == 88, "dmxp_peeked: size");
static_assert(offsetof(dmxp_peeked, state) == 32, "dmxp_peeked.state: offset");
static_assert(offsetof(dmxp_peeked, intact) == 37, "dmxp_peeked.intact: offset");
static_assert(offsetof(dmxp_peeked, metadata) == 40, "dmxp_peeked.metadata: offset");
static_assert(sizeof(dmxp_recovery_info) == 72, "dmxp_recovery_info: size");
static_assert(offsetof(dmxp_recovery_info, dead_processes) == 32, "dmxp_recovery_info.dead_processes: offset");
static_assert(sizeof(dmxp_channel_recovery) == 120, "dmxp_channel_recovery: size");
static_assert(offsetof(dmxp_channel_recovery, id) == 32, "dmxp_channel_recovery.id: offset");
static_assert(offsetof(dmxp_channel_recovery, name) == 48, "dmxp_channel_recovery.name: offset");
static_assert(sizeof(dmxp_blockage) == 152, "dmxp_blockage: size");
static_assert(offsetof(dmxp_blockage, channel_id) == 24, "dmxp_blockage.channel_id: offset");
static_assert(offsetof(dmxp_blockage, waiter_pids) == 52, "dmxp_blockage.waiter_pids: offset");
static_assert(offsetof(dmxp_blockage, name) == 80, "dmxp_blockage.name: offset");
static_assert(sizeof(dmxp_channel_statistics) == 264, "dmxp_channel_statistics: size");
static_assert(offsetof(dmxp_channel_statistics, last_error_ns) == 128, "dmxp_channel_statistics.last_error_ns: offset");
static_assert(offsetof(dmxp_channel_statistics, id) == 140, "dmxp_channel_statistics.id: offset");
static_assert(offsetof(dmxp_channel_statistics, name) == 192, "dmxp_channel_statistics.name: offset");
static_assert(sizeof(dmxp_handle_statistics) == 104, "dmxp_handle_statistics: size");
static_assert(offsetof(dmxp_handle_statistics, position) == 56, "dmxp_handle_statistics.position: offset");
static_assert(offsetof(dmxp_handle_statistics, pid) == 72, "dmxp_handle_statistics.pid: offset");
static_assert(offsetof(dmxp_handle_statistics, subscription) == 84, "dmxp_handle_statistics.subscription: offset");
